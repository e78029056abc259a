#ifndef QUANTD_RUNTIME_CHAT_AST_H_
#define QUANTD_RUNTIME_CHAT_AST_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/chat/builtin.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/value.h"

// A parsed template. Names of variables are numbers, which Program::symbols spells.
namespace quantd::jinja {

using Symbol = int;

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<Stmt>;

// ---- Expressions.

struct Literal {
  Value value;
};
struct NameExpr {
  Symbol name;
};
struct ListExpr {  ///< [a, b] or (a, b)
  std::vector<ExprPtr> items;
  bool tuple = false;
};
struct DictExpr {
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
};
struct AttributeExpr {
  ExprPtr object;
  std::string name;
};
struct ItemExpr {
  ExprPtr object, key;
};
struct SliceExpr {
  ExprPtr object;
  ExprPtr start, stop, step;  ///< each may be null
};
/// What stands in the parentheses of a call.
struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr all_positional, all_named;  ///< *args and **kwargs; may be null
};
struct CallExpr {
  ExprPtr callee;
  CallArguments arguments;
};
struct FilterExpr {
  ExprPtr input;  ///< null in {% filter %} and {% set %} blocks, whose body it is
  std::string name;
  const Builtin* filter;  ///< null if there is none of that name, an error when it is reached
  CallArguments arguments;
};
struct TestExpr {
  ExprPtr input;
  std::string name;
  const Builtin* test;  ///< as above
  CallArguments arguments;
};
struct NotExpr {
  ExprPtr operand;
};
struct SignExpr {  ///< -a or +a
  ExprPtr operand;
  bool negate;
};
struct BinaryExpr {
  Operator op;
  ExprPtr left, right;
};
struct ConcatExpr {  ///< a ~ b ~ c
  std::vector<ExprPtr> parts;
};
struct LogicExpr {  ///< a and b and c, or with `or`
  std::vector<ExprPtr> operands;
  bool conjunction;
};
enum class Comparison : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};
struct CompareExpr {  ///< a < b <= c: every neighbouring pair must hold
  ExprPtr first;
  std::vector<std::pair<Comparison, ExprPtr>> rest;
};
struct ConditionalExpr {
  ExprPtr condition, then;
  ExprPtr otherwise;  ///< may be null: undefined
};

struct Expr {
  int line = 0;
  int height = 1;  ///< of the tree of expressions below
  std::variant<Literal, NameExpr, ListExpr, DictExpr, AttributeExpr, ItemExpr, SliceExpr, CallExpr,
               FilterExpr, TestExpr, NotExpr, SignExpr, BinaryExpr, ConcatExpr, LogicExpr,
               CompareExpr, ConditionalExpr>
      node;
};

// ---- Statements.

/// What is assigned to: a variable, an attribute of a namespace, or several of them.
struct Target {
  Symbol name = -1;
  std::optional<std::string> attribute;  ///< of the namespace `name`
  std::vector<Target> parts;             ///< if not empty, the others mean nothing
};

struct DataStmt {
  std::string text;
};
struct OutputStmt {
  ExprPtr value;
};
struct ForStmt {
  Target target;
  ExprPtr iterable;
  ExprPtr condition;  ///< may be null
  Body body, otherwise;
};
struct IfStmt {
  std::vector<std::pair<ExprPtr, Body>> branches;
  Body otherwise;
};
struct SetStmt {
  Target target;
  ExprPtr value;
};
struct SetBlockStmt {
  Target target;
  ExprPtr filter;  ///< may be null
  Body body;
};
struct FilterBlockStmt {
  ExprPtr filter;
  Body body;
};
struct WithStmt {
  std::vector<std::pair<Target, ExprPtr>> variables;
  Body body;
};
/// A macro, or the body of a call block.
struct MacroNode {
  std::string name;
  struct Parameter {
    Symbol symbol;
    std::string name;
    ExprPtr absent;  ///< the default; may be null
  };
  std::vector<Parameter> parameters;
  Body body;
  bool takes_varargs = false, takes_kwargs = false, takes_caller = false;
};
struct MacroStmt {
  Symbol name;
  std::unique_ptr<MacroNode> macro;
};
struct CallBlockStmt {
  std::unique_ptr<MacroNode> body;
  ExprPtr call;
};
/// {% generation %}, which marks what an assistant said and shows nothing.
struct ScopeStmt {
  Body body;
};
struct BreakStmt {};
struct ContinueStmt {};

struct Stmt {
  int line = 0;
  std::variant<DataStmt, OutputStmt, ForStmt, IfStmt, SetStmt, SetBlockStmt, FilterBlockStmt,
               WithStmt, MacroStmt, CallBlockStmt, ScopeStmt, BreakStmt, ContinueStmt>
      node;
};

struct Program {
  Body body;
  std::vector<std::string> symbols;
};

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_AST_H_

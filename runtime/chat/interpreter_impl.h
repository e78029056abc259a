#ifndef QUANTD_RUNTIME_CHAT_INTERPRETER_IMPL_H_
#define QUANTD_RUNTIME_CHAT_INTERPRETER_IMPL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "runtime/chat/ast.h"
#include "runtime/chat/budget.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/scope.h"
#include "runtime/chat/text.h"

// For interpreter*.cc only; others include interpreter.h.
namespace quantd::jinja {

/// One rendering: walks the tree, statements in interpreter.cc, expressions in
/// interpreter_expression.cc, calls in interpreter_call.cc. Not thread-safe.
class Interpreter final : public Runtime {
 public:
  Interpreter(const Program& program, const Limits& limits, absl::Time now);
  ~Interpreter() override;

  absl::StatusOr<Text> Run(const std::vector<std::pair<std::string, Value>>& variables);

  Budget& budget() override { return budget_; }
  absl::Time now() const override { return now_; }
  absl::StatusOr<Value> Call(const Value& callable, Arguments arguments) override;
  void Keep(std::shared_ptr<NamespaceData> names) override;

 private:
  /// How a statement ends: on to the next, or to the end of the loop or of its turn.
  enum class Flow : uint8_t { kNext, kBreak, kContinue };
  using FlowOr = absl::StatusOr<Flow>;
  using ValueOr = absl::StatusOr<Value>;
  class ConditionSource;
  class ScopeEntry;

  // ---- Statements.
  FlowOr Execute(const Body& body);
  FlowOr Execute(const Stmt& stmt);
  FlowOr Run(const DataStmt& stmt);
  FlowOr Run(const OutputStmt& stmt);
  FlowOr Run(const ForStmt& stmt);
  FlowOr Run(const IfStmt& stmt);
  FlowOr Run(const SetStmt& stmt);
  FlowOr Run(const SetBlockStmt& stmt);
  FlowOr Run(const FilterBlockStmt& stmt);
  FlowOr Run(const WithStmt& stmt);
  FlowOr Run(const MacroStmt& stmt);
  FlowOr Run(const CallBlockStmt& stmt);
  FlowOr Run(const ScopeStmt& stmt);
  FlowOr Run(const BreakStmt&) { return Flow::kBreak; }
  FlowOr Run(const ContinueStmt&) { return Flow::kContinue; }
  FlowOr Turns(const ForStmt& stmt, LoopData& loop, const Value& loop_value);
  absl::Status Assign(const Target& target, Value value);
  absl::Status AssignAttribute(const Target& target, Value value);
  absl::Status CheckOutput() const;
  /// The text of a body that runs in a scope of its own.
  ValueOr Capture(const Body& body);
  ValueOr ApplyToBlock(const ExprPtr& filter, Value text);

  // ---- Expressions.
  ValueOr Evaluate(const Expr& expr);
  ValueOr Evaluate(const Literal& node) { return node.value; }
  ValueOr Evaluate(const NameExpr& node);
  ValueOr Evaluate(const ListExpr& node);
  ValueOr Evaluate(const DictExpr& node);
  ValueOr Evaluate(const AttributeExpr& node);
  ValueOr Evaluate(const ItemExpr& node);
  ValueOr Evaluate(const SliceExpr& node);
  ValueOr Evaluate(const CallExpr& node);
  ValueOr Evaluate(const FilterExpr& node);
  ValueOr Evaluate(const TestExpr& node);
  ValueOr Evaluate(const NotExpr& node);
  ValueOr Evaluate(const SignExpr& node);
  ValueOr Evaluate(const BinaryExpr& node);
  ValueOr Evaluate(const ConcatExpr& node);
  ValueOr Evaluate(const LogicExpr& node);
  ValueOr Evaluate(const CompareExpr& node);
  ValueOr Evaluate(const ConditionalExpr& node);
  absl::StatusOr<bool> Compare(Comparison comparison, const Value& left, const Value& right);

  // ---- Calls.
  absl::StatusOr<Arguments> EvaluateArguments(const CallArguments& arguments);
  ValueOr CallMacro(const MacroData& macro, Arguments arguments);
  absl::Status BindParameters(const MacroNode& macro, Arguments arguments, Scope* scope);
  absl::Status BindRest(const MacroNode& macro, Arguments rest, Scope* scope);
  ValueOr MakeMacro(const MacroNode& node);
  absl::Status KeepScope(const std::shared_ptr<Scope>& scope);

  Symbol Find(absl::string_view name) const;
  /// Remembers where the first error came from.
  void NoteError(int line) {
    if (error_line_ == 0) error_line_ = line;
  }

  Budget budget_;  // first: values give memory back to it
  const Program& program_;
  const absl::Time now_;
  const Symbol loop_name_, varargs_name_, kwargs_name_, caller_name_;  // -1: not mentioned
  std::shared_ptr<Scope> scope_;
  TextBuilder* out_ = nullptr;
  Value block_;  // what the filter of a block is applied to
  int depth_ = 0;
  int error_line_ = 0;
  // What may hold itself, and is emptied at the end.
  std::vector<std::shared_ptr<NamespaceData>> kept_names_;
  std::vector<std::shared_ptr<Scope>> kept_scopes_;
  MemoryClaim kept_claim_;
};

/// Counts a level of recursion while it lives.
class DepthGuard {
 public:
  explicit DepthGuard(int* depth) : depth_(depth) { ++*depth_; }
  ~DepthGuard() { --*depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;
  absl::Status Check() const {
    return *depth_ <= kMaxDepth ? absl::OkStatus()
                                : absl::ResourceExhaustedError("the template recurses too deeply");
  }

 private:
  int* depth_;
};

/// Makes a scope current while it lives.
class Interpreter::ScopeEntry {
 public:
  ScopeEntry(Interpreter* interpreter, std::shared_ptr<Scope> scope)
      : interpreter_(interpreter), outer_(std::exchange(interpreter->scope_, std::move(scope))) {}
  ~ScopeEntry() { interpreter_->scope_ = std::move(outer_); }
  ScopeEntry(const ScopeEntry&) = delete;
  ScopeEntry& operator=(const ScopeEntry&) = delete;

 private:
  Interpreter* interpreter_;
  std::shared_ptr<Scope> outer_;
};

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_INTERPRETER_IMPL_H_

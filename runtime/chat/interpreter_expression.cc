// The interpreter's expressions.
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/access.h"
#include "runtime/chat/interpreter_impl.h"
#include "runtime/chat/operations.h"

namespace quantd::jinja {

Interpreter::ValueOr Interpreter::Evaluate(const Expr& expr) {
  const DepthGuard guard(&depth_);
  absl::Status status = guard.Check();
  if (status.ok()) status = budget_.Spend();
  if (status.ok()) {
    ValueOr value = std::visit([this](const auto& node) { return Evaluate(node); }, expr.node);
    if (value.ok()) return value;
    status = value.status();
  }
  NoteError(expr.line);
  return status;
}

Interpreter::ValueOr Interpreter::Evaluate(const NameExpr& node) {
  size_t seen = 0;
  const Value* variable = scope_->Find(node.name, &seen);
  QUANTD_RETURN_IF_ERROR(budget_.SpendOn(seen));
  if (variable != nullptr) return *variable;
  const std::string& name = program_.symbols[static_cast<size_t>(node.name)];
  const Builtin* function = FindBuiltin(Functions(), name);
  if (function == nullptr) {
    return Value::Undefined(
        absl::StrCat("'", absl::string_view(name).substr(0, 64), "' is undefined"));
  }
  auto callable = std::make_shared<CallableData>();
  callable->builtin = function;
  callable->name = name;
  return Value(std::shared_ptr<const CallableData>(std::move(callable)));
}

Interpreter::ValueOr Interpreter::Evaluate(const ListExpr& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExprPtr& item : node.items) {
    QUANTD_ASSIGN_OR_RETURN(Value value, Evaluate(*item));
    items.push_back(std::move(value));
  }
  return MakeList(&budget_, std::move(items), node.tuple ? ListType::kTuple : ListType::kList);
}

Interpreter::ValueOr Interpreter::Evaluate(const DictExpr& node) {
  DictData dict;
  for (const auto& [key_expr, value_expr] : node.entries) {
    QUANTD_ASSIGN_OR_RETURN(Value key, Evaluate(*key_expr));
    QUANTD_ASSIGN_OR_RETURN(Value value, Evaluate(*value_expr));
    if (!IsKey(key)) {
      return absl::InvalidArgumentError(absl::StrCat("unhashable type: '", TypeName(key), "'"));
    }
    QUANTD_RETURN_IF_ERROR(budget_.SpendOn(key.is(Kind::kString) ? key.bytes().size() : 0));
    dict.Set(std::move(key), std::move(value));
  }
  return MakeDict(&budget_, std::move(dict));
}

Interpreter::ValueOr Interpreter::Evaluate(const AttributeExpr& node) {
  QUANTD_ASSIGN_OR_RETURN(const Value object, Evaluate(*node.object));
  return GetAttribute(object, node.name, budget_);
}

Interpreter::ValueOr Interpreter::Evaluate(const ItemExpr& node) {
  QUANTD_ASSIGN_OR_RETURN(const Value object, Evaluate(*node.object));
  QUANTD_ASSIGN_OR_RETURN(const Value key, Evaluate(*node.key));
  return GetItem(object, key, budget_);
}

Interpreter::ValueOr Interpreter::Evaluate(const SliceExpr& node) {
  QUANTD_ASSIGN_OR_RETURN(const Value object, Evaluate(*node.object));
  Value ends[3];
  const ExprPtr* const exprs[] = {&node.start, &node.stop, &node.step};
  for (size_t i = 0; i < 3; ++i) {
    ends[i] = Value::None();
    if (*exprs[i] == nullptr) continue;
    QUANTD_ASSIGN_OR_RETURN(ends[i], Evaluate(**exprs[i]));
  }
  return GetSlice(object, ends[0], ends[1], ends[2], budget_);
}

Interpreter::ValueOr Interpreter::Evaluate(const CallExpr& node) {
  QUANTD_ASSIGN_OR_RETURN(const Value callee, Evaluate(*node.callee));
  QUANTD_ASSIGN_OR_RETURN(Arguments arguments, EvaluateArguments(node.arguments));
  return Call(callee, std::move(arguments));
}

Interpreter::ValueOr Interpreter::Evaluate(const FilterExpr& node) {
  Value input;
  if (node.input == nullptr) {
    input = std::move(block_);
  } else {
    QUANTD_ASSIGN_OR_RETURN(input, Evaluate(*node.input));
  }
  if (node.filter == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("No filter named '", node.name, "'."));
  }
  QUANTD_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(node.arguments));
  return node.filter->run(*this, input, arguments);
}

Interpreter::ValueOr Interpreter::Evaluate(const TestExpr& node) {
  QUANTD_ASSIGN_OR_RETURN(const Value input, Evaluate(*node.input));
  if (node.test == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("No test named '", node.name, "'."));
  }
  QUANTD_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(node.arguments));
  return node.test->run(*this, input, arguments);
}

Interpreter::ValueOr Interpreter::Evaluate(const NotExpr& node) {
  QUANTD_ASSIGN_OR_RETURN(const Value operand, Evaluate(*node.operand));
  return Value::Bool(!Truthy(operand));
}

Interpreter::ValueOr Interpreter::Evaluate(const SignExpr& node) {
  QUANTD_ASSIGN_OR_RETURN(const Value operand, Evaluate(*node.operand));
  QUANTD_ASSIGN_OR_RETURN(Value negated, Negate(operand));
  return node.negate ? std::move(negated) : Negate(negated);
}

Interpreter::ValueOr Interpreter::Evaluate(const BinaryExpr& node) {
  QUANTD_ASSIGN_OR_RETURN(const Value left, Evaluate(*node.left));
  QUANTD_ASSIGN_OR_RETURN(const Value right, Evaluate(*node.right));
  return Arithmetic(node.op, left, right, budget_);
}

Interpreter::ValueOr Interpreter::Evaluate(const ConcatExpr& node) {
  TextBuilder text(&budget_);
  for (const ExprPtr& part : node.parts) {
    QUANTD_ASSIGN_OR_RETURN(const Value value, Evaluate(*part));
    AppendString(value, &text);
  }
  return FinishString(&text);
}

Interpreter::ValueOr Interpreter::Evaluate(const LogicExpr& node) {
  Value value;
  for (const ExprPtr& operand : node.operands) {
    QUANTD_ASSIGN_OR_RETURN(value, Evaluate(*operand));
    if (Truthy(value) != node.conjunction) break;
  }
  return value;
}

absl::StatusOr<bool> Interpreter::Compare(Comparison comparison, const Value& left,
                                          const Value& right) {
  const auto negate = [](absl::StatusOr<bool> holds) -> absl::StatusOr<bool> {
    if (!holds.ok()) return holds;
    return !*holds;
  };
  switch (comparison) {
    case Comparison::kEqual:
      return Equal(left, right, budget_);
    case Comparison::kNotEqual:
      return negate(Equal(left, right, budget_));
    case Comparison::kLess:
      return Less(left, right, budget_);
    case Comparison::kGreater:
      return Less(right, left, budget_);
    case Comparison::kLessEqual:
      return negate(Less(right, left, budget_));
    case Comparison::kGreaterEqual:
      return negate(Less(left, right, budget_));
    case Comparison::kIn:
      return Contains(right, left, budget_);
    case Comparison::kNotIn:
      break;
  }
  return negate(Contains(right, left, budget_));
}

Interpreter::ValueOr Interpreter::Evaluate(const CompareExpr& node) {
  QUANTD_ASSIGN_OR_RETURN(Value left, Evaluate(*node.first));
  for (const auto& [comparison, expr] : node.rest) {
    QUANTD_ASSIGN_OR_RETURN(Value right, Evaluate(*expr));
    QUANTD_ASSIGN_OR_RETURN(const bool holds, Compare(comparison, left, right));
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

Interpreter::ValueOr Interpreter::Evaluate(const ConditionalExpr& node) {
  QUANTD_ASSIGN_OR_RETURN(const Value holds, Evaluate(*node.condition));
  if (Truthy(holds)) return Evaluate(*node.then);
  if (node.otherwise != nullptr) return Evaluate(*node.otherwise);
  return Value::Undefined("the inline if-expression evaluated to false and has no else");
}

}  // namespace quantd::jinja

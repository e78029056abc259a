// The interpreter's calls: arguments, macros, call blocks.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/interpreter_impl.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/unicode.h"

namespace quantd::jinja {

absl::StatusOr<Arguments> Interpreter::EvaluateArguments(const CallArguments& exprs) {
  Arguments arguments;
  for (const ExprPtr& expr : exprs.positional) {
    QUANTD_ASSIGN_OR_RETURN(Value value, Evaluate(*expr));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, expr] : exprs.named) {
    QUANTD_ASSIGN_OR_RETURN(Value value, Evaluate(*expr));
    arguments.named.emplace_back(name, std::move(value));
  }
  if (exprs.all_positional != nullptr) {
    QUANTD_ASSIGN_OR_RETURN(const Value list, Evaluate(*exprs.all_positional));
    QUANTD_ASSIGN_OR_RETURN(const ListPtr items, Iterate(list, budget_));
    QUANTD_RETURN_IF_ERROR(budget_.SpendOn(items->items.size(), 1));
    arguments.positional.insert(arguments.positional.end(), items->items.begin(),
                                items->items.end());
  }
  if (exprs.all_named != nullptr) {
    QUANTD_ASSIGN_OR_RETURN(const Value dict, Evaluate(*exprs.all_named));
    if (!dict.is(Kind::kDict)) {
      return absl::InvalidArgumentError("argument after ** must be a mapping");
    }
    for (const auto& [key, value] : dict.dict().entries) {
      if (!key.is(Kind::kString)) return absl::InvalidArgumentError("keywords must be strings");
      QUANTD_RETURN_IF_ERROR(budget_.SpendOn(key.bytes().size()));
      arguments.named.emplace_back(key.bytes(), value);
    }
  }
  return arguments;
}

Interpreter::ValueOr Interpreter::Call(const Value& callable, Arguments arguments) {
  QUANTD_RETURN_IF_ERROR(budget_.Spend());
  if (callable.is(Kind::kUndefined)) return UndefinedError(callable);
  if (!callable.is(Kind::kCallable)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", TypeName(callable), "' object is not callable"));
  }
  const CallableData& data = callable.callable();
  if (data.macro != nullptr) return CallMacro(*data.macro, std::move(arguments));
  return data.builtin->run(*this, data.self, arguments);
}

Interpreter::ValueOr Interpreter::CallMacro(const MacroData& macro, Arguments arguments) {
  const DepthGuard guard(&depth_);
  QUANTD_RETURN_IF_ERROR(guard.Check());
  auto scope = std::make_shared<Scope>();
  scope->parent = macro.scope;
  const ScopeEntry entry(this, scope);
  QUANTD_RETURN_IF_ERROR(BindParameters(*macro.node, std::move(arguments), scope.get()));
  TextBuilder text(&budget_);
  TextBuilder* const outer = std::exchange(out_, &text);
  const FlowOr flow = Execute(macro.node->body);
  out_ = outer;
  QUANTD_RETURN_IF_ERROR(flow.status());
  return FinishString(&text);
}

// Defaults are evaluated in the macro's own scope, and so see the parameters before them.
absl::Status Interpreter::BindParameters(const MacroNode& macro, Arguments arguments,
                                         Scope* scope) {
  auto& [positional, named] = arguments;
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const MacroNode::Parameter& parameter = macro.parameters[i];
    const auto given = std::find_if(named.begin(), named.end(), [&](const auto& argument) {
      return argument.first == parameter.name;
    });
    Value value;
    if (i < positional.size()) {
      value = positional[i];
    } else if (given != named.end()) {
      value = std::move(given->second);
      named.erase(given);
    } else if (parameter.absent != nullptr) {
      QUANTD_ASSIGN_OR_RETURN(value, Evaluate(*parameter.absent));
    } else {
      value = Value::Undefined(absl::StrCat("parameter '", parameter.name, "' was not provided"));
    }
    scope->Set(parameter.symbol, std::move(value));
  }
  const size_t bound = std::min(positional.size(), macro.parameters.size());
  positional.erase(positional.begin(), positional.begin() + static_cast<ptrdiff_t>(bound));
  return BindRest(macro, std::move(arguments), scope);
}

absl::Status Interpreter::BindRest(const MacroNode& macro, Arguments rest, Scope* scope) {
  auto& [positional, named] = rest;
  const bool has_caller_parameter =
      std::any_of(macro.parameters.begin(), macro.parameters.end(),
                  [](const MacroNode::Parameter& p) { return p.name == "caller"; });
  if (macro.takes_caller && !has_caller_parameter) {
    const auto caller = std::find_if(named.begin(), named.end(), [](const auto& argument) {
      return argument.first == "caller";
    });
    scope->Set(caller_name_,
               caller != named.end() ? caller->second : Value::Undefined("No caller defined"));
    if (caller != named.end()) named.erase(caller);
  }
  if (macro.takes_kwargs) {
    DictData kwargs;
    for (auto& [name, value] : named) kwargs.Set(MakeString(name), std::move(value));
    QUANTD_ASSIGN_OR_RETURN(Value dict, MakeDict(&budget_, std::move(kwargs)));
    scope->Set(kwargs_name_, std::move(dict));
  } else if (!named.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("macro '", macro.name,
                                                   "' takes no keyword argument '",
                                                   Shorten(named.front().first, 64), "'"));
  }
  if (macro.takes_varargs) {
    QUANTD_ASSIGN_OR_RETURN(Value list,
                            MakeList(&budget_, std::move(positional), ListType::kTuple));
    scope->Set(varargs_name_, std::move(list));
  } else if (!positional.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("macro '", macro.name, "' takes not more than ",
                                                   macro.parameters.size(), " argument(s)"));
  }
  return absl::OkStatus();
}

Interpreter::ValueOr Interpreter::MakeMacro(const MacroNode& node) {
  QUANTD_RETURN_IF_ERROR(KeepScope(scope_));
  auto callable = std::make_shared<CallableData>();
  callable->macro = std::make_shared<const MacroData>(MacroData{&node, scope_});
  callable->name = node.name;
  return Value(std::shared_ptr<const CallableData>(std::move(callable)));
}

Interpreter::FlowOr Interpreter::Run(const MacroStmt& stmt) {
  QUANTD_ASSIGN_OR_RETURN(Value macro, MakeMacro(*stmt.macro));
  scope_->Set(stmt.name, std::move(macro));
  return Flow::kNext;
}

Interpreter::FlowOr Interpreter::Run(const CallBlockStmt& stmt) {
  const auto& call = std::get<CallExpr>(stmt.call->node);
  QUANTD_ASSIGN_OR_RETURN(const Value callee, Evaluate(*call.callee));
  QUANTD_ASSIGN_OR_RETURN(Arguments arguments, EvaluateArguments(call.arguments));
  QUANTD_ASSIGN_OR_RETURN(Value caller, MakeMacro(*stmt.body));
  arguments.named.emplace_back("caller", std::move(caller));
  QUANTD_ASSIGN_OR_RETURN(const Value text, Call(callee, std::move(arguments)));
  AppendString(text, out_);
  QUANTD_RETURN_IF_ERROR(CheckOutput());
  return Flow::kNext;
}

}  // namespace quantd::jinja

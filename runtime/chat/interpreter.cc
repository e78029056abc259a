#include "runtime/chat/interpreter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/interpreter_impl.h"
#include "runtime/chat/operations.h"

namespace quantd::jinja {
namespace {

// What a scope, or an attribute of a namespace, takes.
constexpr size_t kScopeBytes = 200, kAttributeBytes = 200;

std::shared_ptr<Scope> MakeScope(std::shared_ptr<Scope> parent) {
  auto scope = std::make_shared<Scope>();
  scope->parent = std::move(parent);
  return scope;
}

/// Ends a loop, however it is left.
class LoopEnd {
 public:
  explicit LoopEnd(LoopData* loop) : loop_(loop) {}
  ~LoopEnd() { loop_->End(); }
  LoopEnd(const LoopEnd&) = delete;
  LoopEnd& operator=(const LoopEnd&) = delete;

 private:
  LoopData* loop_;
};

}  // namespace

/// The items of a loop that pass its condition. It is evaluated only when an item is wanted, since
/// the body may change what it asks for.
class Interpreter::ConditionSource : public LoopSource {
 public:
  ConditionSource(Interpreter* interpreter, const ForStmt& stmt, ListPtr items)
      : interpreter_(interpreter),
        stmt_(stmt),
        items_(std::move(items)),
        outer_(interpreter->scope_) {}

  absl::StatusOr<bool> Fetch(std::vector<Value>* accepted) override {
    const ScopeEntry entry(interpreter_, MakeScope(outer_));
    while (at_ < items_->items.size()) {
      QUANTD_RETURN_IF_ERROR(interpreter_->budget_.Spend());
      const Value& item = items_->items[at_++];
      QUANTD_RETURN_IF_ERROR(interpreter_->Assign(stmt_.target, item));
      QUANTD_ASSIGN_OR_RETURN(const Value passes, interpreter_->Evaluate(*stmt_.condition));
      if (!Truthy(passes)) continue;
      accepted->push_back(item);
      return true;
    }
    return false;
  }

  size_t consumed() const { return at_; }

 private:
  Interpreter* interpreter_;
  const ForStmt& stmt_;
  ListPtr items_;
  std::shared_ptr<Scope> outer_;
  size_t at_ = 0;
};

Interpreter::Interpreter(const Program& program, const Limits& limits, absl::Time now)
    : budget_(limits),
      program_(program),
      now_(now),
      loop_name_(Find("loop")),
      varargs_name_(Find("varargs")),
      kwargs_name_(Find("kwargs")),
      caller_name_(Find("caller")),
      scope_(std::make_shared<Scope>()),
      kept_claim_(&budget_) {}

Interpreter::~Interpreter() {
  for (const auto& names : kept_names_) names->names.clear();
  for (const auto& scope : kept_scopes_) scope->variables.clear();
}

Symbol Interpreter::Find(absl::string_view name) const {
  const auto found = std::find(program_.symbols.begin(), program_.symbols.end(), name);
  return found == program_.symbols.end() ? -1
                                         : static_cast<Symbol>(found - program_.symbols.begin());
}

void Interpreter::Keep(std::shared_ptr<NamespaceData> names) {
  kept_names_.push_back(std::move(names));
}

absl::Status Interpreter::KeepScope(const std::shared_ptr<Scope>& scope) {
  if (std::exchange(scope->kept, true)) return absl::OkStatus();
  if (!kept_claim_.Resize(kept_claim_.bytes() + kScopeBytes)) return budget_.MemoryError();
  kept_scopes_.push_back(scope);
  return absl::OkStatus();
}

absl::StatusOr<Text> Interpreter::Run(const std::vector<std::pair<std::string, Value>>& variables) {
  for (const auto& [name, value] : variables) {
    const Symbol symbol = Find(name);
    if (symbol >= 0) scope_->Set(symbol, value);
  }
  // A macro of the template may hold its outermost scope.
  QUANTD_RETURN_IF_ERROR(KeepScope(scope_));
  TextBuilder out(&budget_);
  out_ = &out;
  const FlowOr flow = Execute(program_.body);
  absl::Status status = flow.status();
  if (status.ok() && out.exhausted()) {
    MemoryClaim claim;
    status = out.Finish(&claim).status();
  }
  if (!status.ok()) {
    if (IsRaised(status) || error_line_ == 0) return status;
    return absl::Status(status.code(), absl::StrCat("line ", error_line_, ": ", status.message()));
  }
  MemoryClaim claim;
  return out.Finish(&claim);
}

Interpreter::FlowOr Interpreter::Execute(const Body& body) {
  for (const Stmt& stmt : body) {
    const FlowOr flow = Execute(stmt);
    if (!flow.ok() || *flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::FlowOr Interpreter::Execute(const Stmt& stmt) {
  const DepthGuard guard(&depth_);
  absl::Status status = guard.Check();
  if (status.ok()) status = budget_.Spend();
  if (status.ok()) {
    FlowOr flow = std::visit([this](const auto& node) { return Run(node); }, stmt.node);
    if (flow.ok()) return flow;
    status = flow.status();
  }
  NoteError(stmt.line);
  return status;
}

absl::Status Interpreter::CheckOutput() const {
  if (out_->size() <= budget_.limits().output_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the text gets longer than ", budget_.limits().output_bytes, " bytes"));
}

Interpreter::FlowOr Interpreter::Run(const DataStmt& stmt) {
  out_->Append(stmt.text);
  QUANTD_RETURN_IF_ERROR(CheckOutput());
  return Flow::kNext;
}

Interpreter::FlowOr Interpreter::Run(const OutputStmt& stmt) {
  QUANTD_ASSIGN_OR_RETURN(const Value value, Evaluate(*stmt.value));
  AppendString(value, out_);
  QUANTD_RETURN_IF_ERROR(CheckOutput());
  return Flow::kNext;
}

Interpreter::FlowOr Interpreter::Run(const IfStmt& stmt) {
  for (const auto& [condition, body] : stmt.branches) {
    QUANTD_ASSIGN_OR_RETURN(const Value holds, Evaluate(*condition));
    if (Truthy(holds)) return Execute(body);
  }
  return Execute(stmt.otherwise);
}

Interpreter::FlowOr Interpreter::Run(const ForStmt& stmt) {
  QUANTD_ASSIGN_OR_RETURN(const Value iterable, Evaluate(*stmt.iterable));
  ListData* generator = nullptr;
  if (iterable.is(Kind::kList) && iterable.list()->type == ListType::kGenerator) {
    generator = iterable.list().get();
  }
  const size_t taken = generator == nullptr ? 0 : generator->taken;
  QUANTD_ASSIGN_OR_RETURN(ListPtr items, Iterate(iterable, budget_));

  auto loop = std::make_shared<LoopData>();
  std::optional<ConditionSource> source;
  if (stmt.condition == nullptr) {
    loop->items = std::move(items);
  } else {
    source.emplace(this, stmt, std::move(items));
    loop->source = &*source;
  }
  const LoopEnd end(loop.get());
  QUANTD_ASSIGN_OR_RETURN(const Flow flow, Turns(stmt, *loop, Value(loop)));
  if (flow == Flow::kBreak && generator != nullptr) {
    generator->taken = taken + (source.has_value() ? source->consumed() : loop->index + 1);
  }
  return Flow::kNext;
}

// kBreak: the loop was left early.
Interpreter::FlowOr Interpreter::Turns(const ForStmt& stmt, LoopData& loop,
                                       const Value& loop_value) {
  const std::shared_ptr<Scope> outer = scope_;
  std::shared_ptr<Scope> scope;
  bool completed = false;  // a turn came to its end
  Flow flow = Flow::kNext;
  for (size_t turn = 0; flow != Flow::kBreak; ++turn) {
    QUANTD_ASSIGN_OR_RETURN(const Value* next, loop.At(turn));
    if (next == nullptr) break;
    loop.index = turn;
    // A macro that was defined in the last turn has its scope for good.
    if (scope != nullptr && scope.use_count() == 1) {
      scope->variables.clear();
    } else {
      scope = MakeScope(outer);
    }
    if (loop_name_ >= 0) scope->Set(loop_name_, loop_value);
    const Value item = *next;  // a copy: the list of accepted items may grow
    const ScopeEntry entry(this, scope);
    QUANTD_RETURN_IF_ERROR(budget_.Spend());
    QUANTD_RETURN_IF_ERROR(Assign(stmt.target, item));
    QUANTD_ASSIGN_OR_RETURN(flow, Execute(stmt.body));
    completed |= flow == Flow::kNext;
  }
  // Jinja takes `else` when no turn was completed, be it that `continue` or `break` cut it short.
  if (!completed) {
    const ScopeEntry entry(this, MakeScope(outer));
    QUANTD_RETURN_IF_ERROR(Execute(stmt.otherwise).status());
  }
  return flow == Flow::kBreak ? flow : Flow::kNext;
}

absl::Status Interpreter::Assign(const Target& target, Value value) {
  if (!target.parts.empty()) {
    QUANTD_ASSIGN_OR_RETURN(const ListPtr values, Iterate(value, budget_));
    if (values->items.size() != target.parts.size()) {
      return absl::InvalidArgumentError(absl::StrCat("cannot unpack ", values->items.size(),
                                                     " values into ", target.parts.size()));
    }
    for (size_t i = 0; i < target.parts.size(); ++i) {
      QUANTD_RETURN_IF_ERROR(Assign(target.parts[i], values->items[i]));
    }
    return absl::OkStatus();
  }
  if (target.attribute.has_value()) return AssignAttribute(target, std::move(value));
  QUANTD_RETURN_IF_ERROR(budget_.SpendOn(scope_->variables.size()));
  scope_->Set(target.name, std::move(value));
  return absl::OkStatus();
}

absl::Status Interpreter::AssignAttribute(const Target& target, Value value) {
  size_t seen = 0;
  const Value* names = scope_->Find(target.name, &seen);
  QUANTD_RETURN_IF_ERROR(budget_.SpendOn(seen));
  if (names == nullptr || !names->is(Kind::kNamespace)) {
    return absl::InvalidArgumentError("cannot assign attribute on non-namespace object");
  }
  NamespaceData& data = names->names();
  const auto [entry, added] = data.names.try_emplace(*target.attribute);
  entry->second = std::move(value);
  if (added && !data.claim.Resize(data.claim.bytes() + kAttributeBytes)) {
    return budget_.MemoryError();
  }
  return absl::OkStatus();
}

Interpreter::FlowOr Interpreter::Run(const SetStmt& stmt) {
  QUANTD_ASSIGN_OR_RETURN(Value value, Evaluate(*stmt.value));
  QUANTD_RETURN_IF_ERROR(Assign(stmt.target, std::move(value)));
  return Flow::kNext;
}

Interpreter::ValueOr Interpreter::Capture(const Body& body) {
  const ScopeEntry entry(this, MakeScope(scope_));
  TextBuilder text(&budget_);
  TextBuilder* const outer = std::exchange(out_, &text);
  const FlowOr flow = Execute(body);
  out_ = outer;
  QUANTD_RETURN_IF_ERROR(flow.status());
  return FinishString(&text);
}

Interpreter::ValueOr Interpreter::ApplyToBlock(const ExprPtr& filter, Value text) {
  if (filter == nullptr) return text;
  block_ = std::move(text);
  return Evaluate(*filter);
}

Interpreter::FlowOr Interpreter::Run(const SetBlockStmt& stmt) {
  QUANTD_ASSIGN_OR_RETURN(Value text, Capture(stmt.body));
  QUANTD_ASSIGN_OR_RETURN(Value value, ApplyToBlock(stmt.filter, std::move(text)));
  QUANTD_RETURN_IF_ERROR(Assign(stmt.target, std::move(value)));
  return Flow::kNext;
}

Interpreter::FlowOr Interpreter::Run(const FilterBlockStmt& stmt) {
  QUANTD_ASSIGN_OR_RETURN(Value text, Capture(stmt.body));
  QUANTD_ASSIGN_OR_RETURN(const Value value, ApplyToBlock(stmt.filter, std::move(text)));
  if (!value.is(Kind::kString)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a filter block gives a string, not ", TypeName(value)));
  }
  out_->Append(value.text());
  QUANTD_RETURN_IF_ERROR(CheckOutput());
  return Flow::kNext;
}

Interpreter::FlowOr Interpreter::Run(const WithStmt& stmt) {
  const std::shared_ptr<Scope> scope = MakeScope(scope_);
  for (const auto& [target, expr] : stmt.variables) {
    QUANTD_ASSIGN_OR_RETURN(Value value, Evaluate(*expr));
    const ScopeEntry entry(this, scope);
    QUANTD_RETURN_IF_ERROR(Assign(target, std::move(value)));
  }
  const ScopeEntry entry(this, scope);
  return Execute(stmt.body);
}

Interpreter::FlowOr Interpreter::Run(const ScopeStmt& stmt) {
  const ScopeEntry entry(this, MakeScope(scope_));
  return Execute(stmt.body);
}

absl::StatusOr<Text> Render(const Program& program,
                            const std::vector<std::pair<std::string, Value>>& variables,
                            const Limits& limits, absl::Time now, int64_t* steps) {
  Interpreter interpreter(program, limits, now);
  absl::StatusOr<Text> text = interpreter.Run(variables);
  if (steps != nullptr) *steps = interpreter.budget().steps_spent();
  return text;
}

}  // namespace quantd::jinja

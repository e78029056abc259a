#ifndef QUANTD_RUNTIME_CHAT_SCOPE_H_
#define QUANTD_RUNTIME_CHAT_SCOPE_H_

#include <memory>
#include <utility>
#include <vector>

#include "runtime/chat/ast.h"
#include "runtime/chat/value.h"

namespace quantd::jinja {

/// The variables of a template, a loop's turn, a macro's call or a block, and those around it.
/// Shared with the macros that were defined in it. Not thread-safe.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<Symbol, Value>> variables;
  bool kept = false;  ///< the interpreter has it until the end

  /// Null if nothing of that name is in reach. Adds to *seen how many variables it looked at.
  const Value* Find(Symbol name, size_t* seen) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
      *seen += scope->variables.size();
      for (const auto& [symbol, value] : scope->variables) {
        if (symbol == name) return &value;
      }
    }
    return nullptr;
  }
  void Set(Symbol name, Value value) {
    for (auto& [symbol, old] : variables) {
      if (symbol == name) {
        old = std::move(value);
        return;
      }
    }
    variables.emplace_back(name, std::move(value));
  }
};

/// A macro with the variables that are in reach where it was defined.
struct MacroData {
  const MacroNode* node;
  std::shared_ptr<Scope> scope;
};

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_SCOPE_H_

#ifndef QUANTD_SERVER_SERVICE_CONTEXT_H_
#define QUANTD_SERVER_SERVICE_CONTEXT_H_

#include "runtime/lifecycle/model_manager.h"
#include "runtime/lifecycle/runtime_context.h"
#include "server/call_registry.h"
#include "server/config.h"
#include "server/metrics.h"
#include "server/security.h"
#include "server/work_queue.h"

namespace quantd {

/// What the services of one daemon share. Everything is the daemon's, outlives the services and is
/// thread-safe.
struct ServiceContext {
  const ServerConfig& config;
  const RuntimeContext& runtime;
  const Authenticator& auth;
  Metrics& metrics;
  ModelManager& models;
  CallRegistry& calls;
  WorkQueue& tokenizing;  ///< for what tokenizes
  WorkQueue& admin;       ///< for what waits: unloading
};

}  // namespace quantd

#endif  // QUANTD_SERVER_SERVICE_CONTEXT_H_

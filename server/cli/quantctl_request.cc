#include "server/cli/quantctl_request.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/status_macros.h"
#include "server/cli/output.h"
#include "server/cli/proto_json.h"

namespace quantd {
namespace {

absl::Status ReadLogitBias(const RequestFlags& flags, v1::SamplingParams* sampling) {
  for (const std::string& entry : flags.logit_bias) {
    const size_t equals = entry.find('=');
    int32_t id = 0;
    float bias = 0;
    if (equals == std::string::npos || !CLI::detail::lexical_cast(entry.substr(0, equals), id) ||
        !CLI::detail::lexical_cast(entry.substr(equals + 1), bias)) {
      return absl::InvalidArgumentError(absl::StrCat("--logit-bias: '", entry, "' is not ID=X"));
    }
    (*sampling->mutable_logit_bias())[id] = bias;
  }
  return absl::OkStatus();
}

double Rate(int tokens, double seconds) { return seconds > 0 ? tokens / seconds : 0; }

}  // namespace

void AddModelFlag(CLI::App* command, RequestFlags* flags) {
  command
      ->add_option("-m,--model", *flags->request.mutable_model(),
                   "Model; needed if there are several")
      ->type_name("NAME");
}

void AddEndFlags(CLI::App* command, RequestFlags* flags) {
  v1::GenerateRequest* request = &flags->request;
  AddField<int32_t>(
      command, "-n,--max-tokens", [request](const int32_t& n) { request->set_max_tokens(n); }, "N",
      "Tokens to generate at most (default: up to the model's context)");
  AddField<int32_t>(
      command, "--min-tokens", [request](const int32_t& n) { request->set_min_tokens(n); }, "N",
      "Do not stop before this many tokens");
  AddField<std::vector<std::string>>(
      command, "--stop",
      [request](const std::vector<std::string>& texts) {
        request->mutable_stop()->Add(texts.begin(), texts.end());
      },
      "TEXT", "End before this text, which is not printed; may be given several times")
      ->allow_extra_args(false);
  AddField<std::vector<int32_t>>(
      command, "--stop-ids",
      [request](const std::vector<int32_t>& ids) {
        request->mutable_stop_ids()->Add(ids.begin(), ids.end());
      },
      "ID,ID,...", "End at these tokens")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_flag_function(
      "--ignore-eos", [request](int64_t) { request->set_ignore_eos(true); },
      "Go on after the vocabulary's end-of-text tokens");
}

void AddSamplingFlags(CLI::App* command, RequestFlags* flags) {
  v1::SamplingParams* sampling = flags->request.mutable_sampling();
  const auto add = [command](const char* flag, std::function<void(const float&)> set,
                             const char* help) {
    return AddField<float>(command, flag, std::move(set), "X", help)->group("Sampling");
  };
  CLI::Option* greedy = command->add_flag_function(
      "--greedy", [sampling](int64_t) { sampling->set_temperature(0); },
      "Always take the most likely token (same as --temperature 0)");
  greedy->group("Sampling");
  add(
      "--temperature", [sampling](const float& x) { sampling->set_temperature(x); },
      "Divides the logits; 0 = greedy (default 1)")
      ->excludes(greedy);
  AddField<int32_t>(
      command, "--top-k", [sampling](const int32_t& k) { sampling->set_top_k(k); }, "K",
      "Draw from the K most likely tokens; 0 = all")
      ->group("Sampling");
  add(
      "--top-p", [sampling](const float& x) { sampling->set_top_p(x); },
      "Draw from the smallest set of this probability, (0, 1]");
  add(
      "--min-p", [sampling](const float& x) { sampling->set_min_p(x); },
      "Drop tokens below this share of the best one's, [0, 1]");
  add(
      "--repetition-penalty", [sampling](const float& x) { sampling->set_repetition_penalty(x); },
      "Divides the logits of tokens that were in prompt or output; 1 = off");
  add(
      "--frequency-penalty", [sampling](const float& x) { sampling->set_frequency_penalty(x); },
      "Subtracted from a logit for each time the token was generated, [-2, 2]");
  add(
      "--presence-penalty", [sampling](const float& x) { sampling->set_presence_penalty(x); },
      "Subtracted once from the logit of a generated token, [-2, 2]");
  AddField<uint64_t>(
      command, "--seed", [sampling](const uint64_t& seed) { sampling->set_seed(seed); }, "N",
      "Makes the draw repeatable")
      ->group("Sampling");
  command->add_option("--logit-bias", flags->logit_bias, "Added to a token's logit, [-100, 100]")
      ->type_name("ID=X")
      ->allow_extra_args(false)
      ->group("Sampling");
}

absl::StatusOr<v1::GenerateRequest> RequestOf(const RequestFlags& flags) {
  v1::GenerateRequest request = flags.request;
  QUANTD_RETURN_IF_ERROR(ReadLogitBias(flags, request.mutable_sampling()));
  return request;
}

std::string ReasonName(const v1::Finished& finished) {
  return absl::AsciiStrToLower(ProtoToJson(finished)["reason"].get<std::string>());
}

void PrintModelText(const std::string& text) {
  if (text.empty()) return;
  Print(IsTerminal(stdout) ? EscapeText(text, "\n\t") : text);
  std::fflush(stdout);
}

void EndModelText(const std::string& text) {
  if (IsTerminal(stdout) && (text.empty() || text.back() != '\n')) Print("\n");
}

void PrintSummary(const std::string& command, const v1::Finished& finished) {
  const v1::Usage& usage = finished.usage();
  const v1::Timings& timings = finished.timings();
  absl::FPrintF(
      stderr,
      "%s: prompt %d tokens (%d cached), first token after %s; %d tokens, %s tokens/s; ended by "
      "%s\n",
      command, usage.prompt_tokens(), usage.cached_prompt_tokens(),
      FormatSeconds(absl::Seconds(timings.time_to_first_token_seconds())),
      usage.completion_tokens(),
      FormatNumber(Rate(std::max(usage.completion_tokens() - 1, 0), timings.decode_seconds())),
      ReasonName(finished));
}

}  // namespace quantd

#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "kernels/base/status_macros.h"
#include "server/cli/chat_loop.h"
#include "server/cli/collecting_sink.h"
#include "server/cli/commands.h"
#include "server/cli/interrupt.h"
#include "server/cli/json_output.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd run";
/// How soon an interrupt is noticed.
constexpr absl::Duration kPoll = absl::Milliseconds(50);

struct RunOptions {
  std::string model;
  std::string prompt;
  bool has_prompt = false;
  std::vector<int32_t> token_ids;
  bool special = false;
  int32_t max_tokens = 128;
  bool greedy = false;
  SamplingParams sampling;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool logits = false;
  bool json = false;
  bool chat = false;
  ChatFlags conversation;
  std::string chat_template;
  RuntimeFlags runtime;
};

/// What a generation gave, beside the text that was streamed.
struct RunResult {
  std::vector<int32_t> prompt_ids, ids;
  std::string text;
  Finish finish;
};

void AddPromptFlags(CLI::App* command, RunOptions* options) {
  command
      ->add_option("model", options->model,
                   "A .gguf file, or a folder with config.json and safetensors")
      ->required()
      ->type_name("MODEL");
  CLI::Option* prompt =
      command
          ->add_option_function<std::string>(
              "-p,--prompt",
              [options](const std::string& text) {
                options->prompt = text;
                options->has_prompt = true;
              },
              "The text to continue; a BOS token goes first if the vocabulary asks for one\n"
              "(without --prompt and --token-ids: all of standard input, byte for byte)")
          ->type_name("TEXT");
  command
      ->add_option("--token-ids", options->token_ids,
                   "The prompt as token ids instead; nothing is added to them")
      ->type_name("ID,ID,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->excludes(prompt);
  command->add_flag("--special", options->special,
                    "Control tokens written in the prompt (<s>, <|im_end|>) count as such");
  command
      ->add_option("-n,--max-tokens", options->max_tokens,
                   "Tokens to generate at most; 0 = up to the model's context")
      ->type_name("N")
      ->check(CheckNotNegative)
      ->capture_default_str();
  command
      ->add_option("--stop", options->stop,
                   "End before this text, which is not printed; may be given several times")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  command->add_flag("--ignore-eos", options->ignore_eos,
                    "Go on after the vocabulary's end-of-text tokens");
  AddContextFlag(command, &options->runtime);
}

void AddSamplingFlags(CLI::App* command, RunOptions* options) {
  SamplingParams& sampling = options->sampling;
  CLI::Option* greedy = command->add_flag(
      "--greedy", options->greedy, "Always take the most likely token (same as --temperature 0)");
  const auto add = [command](const char* flag, auto& field, const char* help) {
    return command->add_option(flag, field, help)
        ->type_name(std::is_floating_point_v<std::remove_reference_t<decltype(field)>> ? "X" : "N")
        ->group("Sampling")
        ->capture_default_str();
  };
  greedy->group("Sampling");
  add("--temperature", sampling.temperature, "Divides the logits; 0 = greedy")->excludes(greedy);
  add("--top-k", sampling.top_k, "Draw from the k most likely tokens; 0 = all");
  add("--top-p", sampling.top_p, "Draw from the smallest set of this probability, (0, 1]");
  add("--min-p", sampling.min_p, "Drop tokens below this share of the best one's, [0, 1]");
  add("--repetition-penalty", sampling.repetition_penalty,
      "Divides the logits of tokens that were in prompt or output; 1 = off");
  add("--frequency-penalty", sampling.frequency_penalty,
      "Subtracted from a logit for each time the token was generated, [-2, 2]");
  add("--presence-penalty", sampling.presence_penalty,
      "Subtracted once from the logit of a generated token, [-2, 2]");
  command
      ->add_option_function<uint64_t>(
          "--seed", [&sampling](const uint64_t& seed) { sampling.seed = seed; },
          "Makes a run repeatable (default: a random one, told on standard error)")
      ->type_name("N")
      ->check(CheckNotNegative)
      ->group("Sampling");
}

void AddConversationFlags(CLI::App* command, RunOptions* options) {
  CLI::Option* chat =
      command->add_flag("--chat", options->chat, "Talk with the model, line by line");
  for (const char* other : {"--prompt", "--token-ids", "--json"}) {
    chat->excludes(command->get_option(other));
  }
  chat->group("Conversation");
  AddChatFlags(command, &options->conversation);
  command
      ->add_option("--chat-template", options->chat_template,
                   "A Jinja chat template in place of the model's own")
      ->type_name("FILE")
      ->group("Conversation");
}

absl::StatusOr<std::vector<int32_t>> PromptIds(const RunOptions& options,
                                               const Tokenizer& tokenizer) {
  if (options.token_ids.empty() || !options.stop.empty()) {
    const absl::Status has_text = tokenizer.CheckText();
    if (!has_text.ok()) return has_text;
  }
  if (!options.token_ids.empty()) return options.token_ids;
  std::string text = options.prompt;
  if (!options.has_prompt) {
    absl::StatusOr<std::string> input = ReadStdin(kCommand, "the prompt");
    if (!input.ok()) return input.status();
    text = *std::move(input);
  }
  EncodeOptions encode;
  encode.add_bos = tokenizer.default_add_bos();
  encode.parse_control = options.special;
  std::vector<int32_t> ids = tokenizer.Encode(text, encode);
  if (ids.empty()) {
    return absl::InvalidArgumentError("--prompt: empty; give text, --token-ids or standard input");
  }
  return ids;
}

/// The engine would refuse it as well, but knows neither the file nor the flags.
absl::Status CheckLength(const RunOptions& options, const ServedModel& model, size_t prompt) {
  const int32_t context = model.config().context;
  if (prompt < static_cast<size_t>(context)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(options.model, ": prompt: ", prompt, " tokens; the context is ", context,
                   " tokens for prompt and output together, so give at most ", context - 1));
}

Request MakeRequest(const RunOptions& options, std::vector<int32_t> prompt) {
  Request request;
  request.prompt = std::move(prompt);
  request.sampling = options.sampling;
  request.max_tokens = options.max_tokens;
  request.stop = options.stop;
  request.ignore_eos = options.ignore_eos;
  request.want_prompt_logits = options.logits;
  return request;
}

/// Runs the request to its end, printing text as it comes unless JSON is wanted.
absl::StatusOr<RunResult> Generate(const RunOptions& options, ServedModel& model, Request request) {
  RunResult result;
  result.prompt_ids = request.prompt;
  auto sink = std::make_shared<CollectingSink>();
  const absl::StatusOr<std::string> id = model.engine().Submit(std::move(request), sink);
  if (!id.ok()) {
    return absl::Status(id.status().code(),
                        absl::StrCat(options.model, ": ", id.status().message()));
  }
  const bool terminal = IsTerminal(stdout);
  for (bool cancelled = false;;) {
    CollectingSink::Events events = sink->Next(kPoll);
    result.ids.insert(result.ids.end(), events.ids.begin(), events.ids.end());
    result.text += events.text;
    if (!options.json && !events.text.empty()) {
      Print(terminal ? EscapeText(events.text, "\n\t") : events.text);
      std::fflush(stdout);
    }
    if (events.finish.has_value()) {
      result.finish = *std::move(events.finish);
      break;
    }
    // Once only: the request goes on existing until its Finish has come.
    if (InterruptScope::Interrupted() && !std::exchange(cancelled, true))
      model.engine().Cancel(*id);
  }
  // The summary, or the shell's prompt, starts on a line of its own.
  if (!options.json && (result.text.empty() || result.text.back() != '\n')) Print("\n");
  return result;
}

absl::StatusOr<std::vector<int32_t>> ChatIds(const RunOptions& options, const ServedModel& model,
                                             const Conversation& conversation) {
  QUANTD_RETURN_IF_ERROR(model.tokenizer().CheckText());
  QUANTD_ASSIGN_OR_RETURN(const ChatTemplate* chat, model.chat_template());
  QUANTD_ASSIGN_OR_RETURN(const ChatPrompt prompt, chat->Render(conversation));
  return EncodeChat(prompt, model.tokenizer(), model.tokenizer().default_add_bos(),
                    options.special);
}

double TokensPerSecond(int64_t tokens, absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

double PrefillRate(const Finish& finish) {
  return TokensPerSecond(finish.usage.prompt_tokens - finish.usage.cached_prompt_tokens,
                         finish.timings.prefill);
}

/// The first token comes out of the prefill, so decoding made one less.
double DecodeRate(const Finish& finish) {
  return TokensPerSecond(std::max(finish.usage.completion_tokens - 1, 0), finish.timings.decode);
}

void PrintResult(const RunOptions& options, const RunResult& result) {
  const Finish& finish = result.finish;
  const Timings& timings = finish.timings;
  Json json = {{"model", options.model},
               {"prompt_ids", result.prompt_ids},
               {"ids", result.ids},
               {"text", result.text},
               {"finish_reason", FinishReasonName(finish.reason)}};
  if (!finish.matched_stop.empty()) json["matched_stop"] = finish.matched_stop;
  if (finish.matched_stop_id.has_value()) json["matched_stop_id"] = *finish.matched_stop_id;
  if (options.sampling.seed.has_value()) json["seed"] = *options.sampling.seed;
  json["usage"] = {{"prompt_tokens", finish.usage.prompt_tokens},
                   {"cached_prompt_tokens", finish.usage.cached_prompt_tokens},
                   {"completion_tokens", finish.usage.completion_tokens}};
  json["timings"] = {{"queue_seconds", JsonSeconds(timings.queue)},
                     {"prefill_seconds", JsonSeconds(timings.prefill)},
                     {"decode_seconds", JsonSeconds(timings.decode)},
                     {"time_to_first_token_seconds", JsonSeconds(timings.time_to_first_token)},
                     {"total_seconds", JsonSeconds(timings.total)},
                     {"prefill_tokens_per_second", PrefillRate(finish)},
                     {"decode_tokens_per_second", DecodeRate(finish)}};
  if (options.logits) json["logits_after_prompt"] = JsonFloats(finish.prompt_logits);
  PrintJson(json);
}

void PrintSummary(const RunOptions& options, const RunResult& result, absl::Duration load) {
  const Finish& finish = result.finish;
  std::string line = absl::StrFormat(
      "%s: loaded in %s; prefill %d tokens, %s tokens/s; decode %d tokens, %s tokens/s; ended by "
      "%s",
      kCommand, FormatSeconds(load), finish.usage.prompt_tokens, FormatNumber(PrefillRate(finish)),
      finish.usage.completion_tokens, FormatNumber(DecodeRate(finish)),
      FinishReasonName(finish.reason));
  if (options.sampling.seed.has_value()) absl::StrAppend(&line, "; seed ", *options.sampling.seed);
  absl::FPrintF(stderr, "%s\n", line);
}

absl::StatusOr<ChatAnswer> Answer(const RunOptions& options, ServedModel& model,
                                  const Conversation& conversation) {
  const InterruptScope interrupts;
  QUANTD_ASSIGN_OR_RETURN(std::vector<int32_t> prompt, ChatIds(options, model, conversation));
  QUANTD_RETURN_IF_ERROR(CheckLength(options, model, prompt.size()));
  QUANTD_ASSIGN_OR_RETURN(const RunResult result,
                          Generate(options, model, MakeRequest(options, std::move(prompt))));
  if (result.finish.reason == FinishReason::kError) return result.finish.status;
  const bool interrupted = result.finish.reason == FinishReason::kCancelled;
  if (!options.runtime.quiet && !interrupted) PrintSummary(options, result, model.load_time());
  return ChatAnswer{interrupted ? kExitInterrupted : kExitOk, result.text};
}

int Chat(const RunOptions& options, ServedModel& model) {
  const auto chat = model.chat_template();
  if (!chat.ok()) {
    return Fail(kCommand, absl::Status(chat.status().code(),
                                       absl::StrCat("--chat: ", chat.status().message(),
                                                    "; --chat-template FILE gives it one")));
  }
  const std::unique_ptr<LineReader> lines = OpenLineReader(stdin, stdout);
  return RunChatLoop(options.conversation, *lines, [&](const Conversation& conversation) {
    absl::StatusOr<ChatAnswer> answer = Answer(options, model, conversation);
    return answer.ok() ? *std::move(answer) : ChatAnswer{Fail(kCommand, answer.status()), ""};
  });
}

int Run(RunOptions options) {
  if (options.greedy) options.sampling.temperature = 0;
  // Chosen here and not in the engine, so that it can be told and a good run repeated.
  if (options.sampling.temperature > 0 && !options.sampling.seed.has_value()) {
    options.sampling.seed = std::random_device{}();
  }
  auto interrupts = std::make_unique<InterruptScope>();
  const auto runtime = OpenRuntime(options.runtime);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());
  LocalLoad how;
  how.chat_template = options.chat_template;
  const auto model = LoadForOneSequence(**runtime, options.model, options.runtime, how);
  if (!model.ok()) return Fail(kCommand, model.status());
  if (options.chat) {
    interrupts.reset();  // each answer has its own
    return Chat(options, **model);
  }

  absl::StatusOr<std::vector<int32_t>> prompt = PromptIds(options, (*model)->tokenizer());
  if (!prompt.ok()) return Fail(kCommand, prompt.status());
  const absl::Status fits = CheckLength(options, **model, prompt->size());
  if (!fits.ok()) return Fail(kCommand, fits);

  const auto result = Generate(options, **model, MakeRequest(options, *std::move(prompt)));
  if (!result.ok()) return Fail(kCommand, result.status());
  if (result->finish.reason == FinishReason::kError) {
    return Fail(kCommand, result->finish.status);
  }
  if (options.json) PrintResult(options, *result);
  if (!options.runtime.quiet) PrintSummary(options, *result, (*model)->load_time());
  return result->finish.reason == FinishReason::kCancelled ? kExitInterrupted : kExitOk;
}

}  // namespace

void AddRun(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command =
      app.add_subcommand("run", "Generate text from a model once, without a server");
  AddPromptFlags(command, options.get());
  AddSamplingFlags(command, options.get());
  command->add_flag("--json", options->json,
                    "One JSON object {prompt_ids, ids, text, finish_reason, usage, timings}\n"
                    "at the end instead of streamed text");
  command
      ->add_flag("--logits", options->logits,
                 "With --json: add logits_after_prompt, one per vocabulary entry")
      ->needs("--json");
  AddConversationFlags(command, options.get());
  AddKvTypeFlag(command, &options->runtime.kv_type);
  AddThreadFlag(command, &options->runtime);
  AddKernelFlags(command, &options->runtime);
  AddQuietFlag(command, &options->runtime);
  command->footer(
      std::string(
          "Text goes to standard output as it is generated; a summary with tokens per second to\n"
          "standard error. Ctrl-C ends the generation (exit code 4). With --chat:\n") +
      kChatHelp +
      "\n\n"
      "Examples:\n"
      "  quantd run model.gguf --prompt \"Once upon a time\" -n 200\n"
      "  quantd run model.gguf --greedy --stop \"Question:\" < question.txt\n"
      "  quantd run model.gguf --token-ids 1,403,407 --greedy --json --logits\n"
      "  quantd run model.gguf --chat --system \"Answer briefly.\"");
  command->callback([=] { *run = [options] { return Run(*options); }; });
}

}  // namespace quantd

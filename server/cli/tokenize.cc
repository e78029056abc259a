#include <cctype>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/tokenizer/tokenizer.h"
#include "server/cli/commands.h"
#include "server/cli/json_output.h"
#include "server/cli/output.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd tokenize";

struct TokenizeOptions {
  std::string model;
  bool bos = false;
  bool special = false;
  bool decode = false;
  bool json = false;
};

/// Ids separated by white space or commas, with or without the brackets of a JSON array.
absl::StatusOr<std::vector<int32_t>> ParseIds(absl::string_view text, int32_t vocab) {
  std::vector<int32_t> ids;
  for (const absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \t\r\n,[]"), absl::SkipEmpty())) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(word, &id) || id < 0 || id >= vocab) {
      return absl::InvalidArgumentError(absl::StrCat("standard input: \"", EscapeText(word),
                                                     "\" is no token id; this vocabulary",
                                                     " has 0 to ", vocab - 1));
    }
    ids.push_back(id);
  }
  return ids;
}

int Decode(const Tokenizer& tokenizer, const std::string& input, bool json) {
  const absl::StatusOr<std::vector<int32_t>> ids = ParseIds(input, tokenizer.vocab_size());
  if (!ids.ok()) return Fail(kCommand, ids.status());
  const std::string text = tokenizer.Decode(*ids);
  if (json) {
    PrintJson(text);
  } else {
    Print(IsTerminal(stdout) ? EscapeText(text, "\n\t") + "\n" : text);
  }
  return kExitOk;
}

/// What a person sees of a token; control tokens have no bytes of their own.
std::string Piece(const Tokenizer& tokenizer, int32_t id) {
  const std::string bytes = tokenizer.TokenBytes(id);
  if (!bytes.empty()) return absl::StrCat("\"", EscapeText(bytes), "\"");
  if (tokenizer.bos() == id) return "(BOS)";
  if (tokenizer.eos() == id) return "(EOS)";
  return "(control)";
}

int Encode(const Tokenizer& tokenizer, const std::string& text, const TokenizeOptions& options) {
  if (options.bos && !tokenizer.bos().has_value()) {
    return Fail(kCommand, absl::InvalidArgumentError(absl::StrCat(
                              options.model, ": --bos: this vocabulary has no BOS token")));
  }
  EncodeOptions encode;
  encode.add_bos = options.bos;
  encode.parse_control = options.special;
  const std::vector<int32_t> ids = tokenizer.Encode(text, encode);
  if (options.json) {
    PrintJson(ids);
    return kExitOk;
  }
  for (const int32_t id : ids) Print(absl::StrCat(id, "\t", Piece(tokenizer, id), "\n"));
  return kExitOk;
}

int Tokenize(const TokenizeOptions& options) {
  const auto tokenizer = Tokenizer::Open(options.model);
  if (!tokenizer.ok()) return Fail(kCommand, tokenizer.status());
  const auto input = ReadStdin(kCommand, options.decode ? "token ids" : "the text");
  if (!input.ok()) return Fail(kCommand, input.status());
  return options.decode ? Decode(**tokenizer, *input, options.json)
                        : Encode(**tokenizer, *input, options);
}

}  // namespace

void AddTokenize(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command =
      app.add_subcommand("tokenize", "Text to token ids and back, with a model's vocabulary");
  command
      ->add_option(
          "model", options->model,
          "A .gguf file (one with a vocabulary alone will do), a folder with tokenizer.json or\n"
          "tokenizer.model, or one of these files")
      ->required()
      ->type_name("MODEL");
  CLI::Option* decode = command->add_flag(
      "--decode", options->decode, "The other way: ids on standard input, text on standard output");
  command->add_flag("--bos", options->bos, "Put the BOS token first (default: no)")
      ->excludes(decode);
  command
      ->add_flag("--special", options->special,
                 "Control tokens written in the text (<s>, <|im_end|>) count as such\n"
                 "(default: they are plain text)")
      ->excludes(decode);
  command->add_flag("--json", options->json,
                    "The ids as one JSON array; with --decode, the text as a JSON string\n"
                    "(default: one id per line with its piece; the plain text)");
  command->footer(
      "All of standard input is the text, byte for byte: use printf rather than echo where a\n"
      "final newline would matter.\n"
      "\n"
      "Examples:\n"
      "  printf 'Hello world' | quantd tokenize model.gguf\n"
      "  printf 'Hello world' | quantd tokenize model.gguf --bos --json\n"
      "  printf 'Hello world' | quantd tokenize models/qwen2/\n"
      "  echo '[15043, 3186]' | quantd tokenize model.gguf --decode");
  command->callback([=] { *run = [options] { return Tokenize(*options); }; });
}

}  // namespace quantd

#!/usr/bin/env python3
"""Writes small tokenizers and the ids that the libraries they come from give, into the folder given
(tests/golden/tokenizers).

texts.json holds the texts, those that are no UTF-8 in hexadecimal. Every other NAME.json is a tokenizer.json, trained
here on TRAINING with the package `tokenizers`, with a pre-tokenizer, normalizer and decoder as published models have
them; the folders are SentencePiece models. NAME.expected.json (or NAME/expected.json) has, for each text, its ids
without ("ids") and with ("framed") what the tokenizer puts around it, and what these decode to ("text"; null where the
library would show an unknown token or bytes that are no UTF-8, which every program shows in its own way).

Needs tokenizers and sentencepiece from PyPI in a virtual environment.

    make_tokenizers.py tests/golden/tokenizers
"""

import json
import pathlib
import sys
import tempfile

import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

TRAINING = """
The daemon reads a model, waits for requests and answers them one token after the other. It doesn't matter whether
there's one client or there are a hundred: we'll share what they have in common, and you've nothing to configure.
Every request has a prompt; every prompt becomes tokens; the tokens become numbers, and the numbers become words again.
When the memory is full, the last one in the queue waits. The first one never waits. I'm sure that they'd agree.
Running, runner, ran; walking, walker, walked; reading, reader, read. Tokenizer, tokenizers, tokenization, detokenize.
1 2 3 10 20 30 100 200 300 1000 2024 2025 2026 3.14159 12345 67890 007 42 99 50% $100 #1 x=1; y=2; z=x+y;
Der Server liest ein Modell und wartet auf Anfragen; die Größe des Speichers muß man kennen. Übrigens: schöne Grüße!
Le serveur lit un modèle, puis il attend les requêtes ; la mémoire est limitée, ça c'est sûr. L'été, où es-tu, Noël ?
El servidor lee un modelo y espera peticiones. ¿Cuánta memoria hay? ¡Mañana será otro día, señor!
Сервер читает модель и ждёт запросы. Память ограничена, поэтому последний ждёт, а первый никогда не ждёт.
Ο διακομιστής διαβάζει ένα μοντέλο και περιμένει αιτήματα. Η μνήμη είναι περιορισμένη.
服务器读取模型并等待请求。内存有限,最后一个等待,第一个从不等待。模型的词汇有很多词。
サーバーはモデルを読み込み、リクエストを待ちます。メモリは限られています。カタカナとひらがなと漢字。
서버는 모델을 읽고 요청을 기다립니다. 메모리는 제한되어 있습니다.
الخادم يقرأ النموذج وينتظر الطلبات. الذاكرة محدودة. השרת קורא את המודל וממתין לבקשות.
सर्वर मॉडल पढ़ता है और अनुरोधों की प्रतीक्षा करता है। เซิร์ฟเวอร์อ่านโมเดลและรอคำขอ
def encode(self, text):
    for i in range(len(text)):
        if text[i] == ' ' and not self.done:
            return self.table[text[i:]]  # the rest
    return None

int main(int argc, char** argv) {
\tstd::vector<std::string> words = {"a", "b", "c"};
\tfor (const auto& word : words) { std::cout << word << "\\n"; }
\treturn words.empty() ? 1 : 0;
}
🚀 😀 👍 ❤️ 🎉 ✅ -> => != == <= >= && || ... --- *** === /* */ // <!-- --> {{ }} [[ ]] (( ))
"""

TEXTS = [
    "",
    " ",
    "  ",
    "\n",
    "a",
    "The server reads a model and waits.",
    " The server reads a model and waits. ",
    "the SERVER Reads; THE server's, it'll, WE'VE, I'M, don't, DON'T, o'clock, 'tis",
    "   three   spaces    four     five      six       seven        eight",
    "tabs\tand\t\ttabs\n\nlines\r\n\r\nmore\r \n \n  end  \n",
    "trailing white space   ",
    "\n\n\n\n  indented\n    more\n\tand more\n",
    "1 12 123 1234 12345 123456 1234567 3.14159 1,000,000 0x1F 1e-9 ½ ² ٣٤ Ⅷ 十二",
    "x=1;y=2;z=x+y;if(x!=y){return(x<=y)?-1:1;}//...***",
    "def f(a, b=None):\n    return [a[i] for i in range(10) if a[i] != b]  # comment\n",
    "#include <vector>\nint main() { std::vector<int> v{1,2,3}; return v[0]-->0; }\n",
    "https://example.org/a/b?c=d&e=%20f#g user@example.org C:\\Windows\\system32 /usr/lib",
    "Größe, Übergrößenträger, STRASSE, straße, Ære, smørrebrød, Đà Nẵng, İstanbul, ıspanak, Łódź",
    "L'été où l'on n'a qu'à s'asseoir… «guillemets» ; ¿qué? ¡no! “quotes” ‘single’ — dash – en-dash",
    "Сервер читает модель; ОН ЖДЁТ, ёлка, Й и й",
    "Ο διακομιστής διαβάζει· ΤΕΛΟΣ ΣΊΓΜΑΣ, ᾳ ΐ",
    "服务器读取模型，并等待请求。“引号”（括号）《书名》、顿号；１２３ＡＢＣ",
    "サーバーはモデルを読み込みます。ﾊﾝｶｸ ｶﾀｶﾅ ガギグ ㍿ ㌔",
    "서버는 모델을 읽고 기다립니다. 한국어",
    "الخادم يقرأ النَّموذَج، ١٢٣. ﷺ ﷽ לשלום שָׁלוֹם",
    "सर्वर मॉडल पढ़ता है। क्षत्रिय ไทยไม่มีช่องว่าง ខ្មែរ",
    "🚀😀👍 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 ❤️ 1️⃣ 🇩🇪🇫🇷 ✅",
    "e\u0301 e\u0300\u0301 a\u0323\u0307 \u00e9 \u1e69 s\u0307\u0323 \u212b \ufb01 \u1f82 \u0344",
    "z\u0336a\u0336l\u0336g\u0336o\u0301\u0302\u0303\u0304\u0305\u0306",
    "\u00a0nbsp\u2003em\u3000ideographic\u202fnarrow\u200bzero\u2060join\ufeffbom\u2028line\u2029para\u0085nel",
    "\u0000nul \u0001\u0007\u001b[0m \u007f \u009f \ufffd \uffff \U0010ffff \ue000",
    "▁meta▁space ▁▁ Ġ Ċ ## ##ing [UNK] [CLS] <0x41> <unk>",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "................................................!!!!!!!!????????--------------------------------",
    "tokenization detokenizers runningly re-reading unwalked",
    "``quoted'' and ''quoted`` \"double\" 'single' `code`",
    "<|begin|>hello<|end|> and <|end|>\n\n<|begin|>",
    "a <mask> b<mask>c  <mask>  d <MASK> word <tool>call</tool> toolsword sword",
    "CamelCaseWordsAndHTTPRequestsXMLHttpRequest snake_case_words kebab-case-words",
    "x" * 300 + " " + "word " * 20,
]

RAW = [
    b"\xff\xfe abc \x80\x81",
    b"caf\xc3 \xe4\xb8 \xf0\x9f\x9a end",
    b"\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80",
    b"The server\xe2\x80 reads\xe2",
]

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

ALPHABET = pre_tokenizers.ByteLevel.alphabet()
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
CONTROL = ["<|begin|>", "<|end|>"]


def special(text, **flags):
    return AddedToken(text, special=True, normalized=False, **flags)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def train(tokenizer, trainer):
    tokenizer.train_from_iterator(TRAINING.splitlines(keepends=True), trainer)
    return tokenizer


def byte_level(parts, normalizer=None, prefix=False, use_regex=False, words=(), **model):
    """Byte-level BPE: `parts` cut first, then ByteLevel. `words` are tokens that no merge leads to."""
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=use_regex)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*parts, last]) if parts else last
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    train(tokenizer, trainers.BpeTrainer(vocab_size=600, initial_alphabet=ALPHABET, show_progress=False))
    data = json.loads(tokenizer.to_str())
    for word in words:
        data["model"]["vocab"][word] = len(data["model"]["vocab"])
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_special_tokens([special(text) for text in CONTROL])
    return tokenizer


def frame(tokenizer, first, last=None):
    """Puts special tokens around a text."""
    names = [name for name in (first, last) if name is not None]
    template = f"{first or ''} $A {last or ''}".strip()
    return processors.TemplateProcessing(single=template,
                                         special_tokens=[(name, tokenizer.token_to_id(name)) for name in names])


def gpt2():
    return byte_level([], use_regex=True)


def llama3():
    tokenizer = byte_level([split(LLAMA3)], ignore_merges=True, words=["Ġtokenization", "runningly"])
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=True), frame(tokenizer, "<|begin|>")])
    return tokenizer


def qwen2():
    return byte_level([split(QWEN2)], normalizer=normalizers.NFC())


def deepseek():
    return byte_level([
        split(r"[\r\n]"),
        split(r"\s?\p{L}+"),
        split(r"\s?\p{P}+"),
        split("[一-龥ࠀ-一가-퟿]+"),
        pre_tokenizers.Digits(individual_digits=True)
    ])


def starcoder():
    return byte_level([pre_tokenizers.Digits(individual_digits=True)], use_regex=True)


def falcon():
    tokenizer = byte_level([], use_regex=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        pre_tokenizers.Digits(individual_digits=False),
        split("[0-9][0-9][0-9]"),
    ])
    return tokenizer


def o200k():
    return byte_level([split(O200K, "removed", invert=True)])


def neox():
    tokenizer = byte_level([], normalizer=normalizers.NFC(), use_regex=True, prefix=False)
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(8, 1, -1)])
    return tokenizer


def roberta():
    tokenizer = byte_level([], use_regex=True, prefix=True)
    tokenizer.add_special_tokens([special("<mask>", lstrip=True), special("<tool>", rstrip=True)])
    tokenizer.add_tokens([AddedToken("sword", single_word=True, normalized=False)])
    ids = {text: tokenizer.token_to_id(text) for text in CONTROL}
    tokenizer.post_processor = processors.RobertaProcessing(("<|end|>", ids["<|end|>"]),
                                                            ("<|begin|>", ids["<|begin|>"]))
    return tokenizer


def clip():
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|end|>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        split(r"<\|begin\|>|<\|end\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", "removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)
    ])
    tokenizer.decoder = decoders.ByteLevel()
    train(
        tokenizer,
        trainers.BpeTrainer(vocab_size=700, initial_alphabet=ALPHABET, end_of_word_suffix="</w>", special_tokens=CONTROL,
                            show_progress=False))
    tokenizer.post_processor = processors.RobertaProcessing(("<|end|>", 1), ("<|begin|>", 0), trim_offsets=False)
    return tokenizer


def characters(fuse, size=900):
    """BPE over characters with bytes to fall back to, as SentencePiece models are converted."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=fuse, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    train(
        tokenizer,
        trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>", *CONTROL, *BYTES], limit_alphabet=120,
                            show_progress=False))
    data = json.loads(tokenizer.to_str())
    data["pre_tokenizer"] = None
    data["added_tokens"] = data["added_tokens"][:3]
    return Tokenizer.from_str(json.dumps(data))


def llama2():
    tokenizer = characters(fuse=True)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = frame(tokenizer, "<|begin|>")
    return tokenizer


def gemma():
    tokenizer = characters(fuse=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_tokens([AddedToken("\n" * n, normalized=False) for n in range(2, 6)])
    tokenizer.post_processor = frame(tokenizer, "<|begin|>")
    return tokenizer


def mistral():
    tokenizer = characters(fuse=False)
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tokenizer


def unigram(normalizer, scheme="always"):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", scheme, True)
    tokenizer.decoder = decoders.Metaspace("▁", scheme, True)
    train(
        tokenizer,
        trainers.UnigramTrainer(vocab_size=700, unk_token="<unk>", special_tokens=["<unk>", *CONTROL],
                                show_progress=False))
    tokenizer.post_processor = frame(tokenizer, None, "<|end|>")
    return tokenizer


def albert():
    return unigram(
        normalizers.Sequence([
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(" {2,}"), " ")
        ]))


def t5(charsmap):
    return unigram(
        normalizers.Sequence([normalizers.Precompiled(charsmap), normalizers.Strip(left=False, right=True),
                              normalizers.Replace(Regex(" {2,}"), "▁")]), "first")


def xlnet():
    tokenizer = unigram(normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("▁", "always", True)])
    return tokenizer


def bert(**options):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    train(
        tokenizer,
        trainers.WordPieceTrainer(vocab_size=900, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
                                  show_progress=False))
    tokenizer.post_processor = frame(tokenizer, "[CLS]", "[SEP]")
    return tokenizer


def bert_uncased():
    return bert(lowercase=True)


def bert_cased():
    tokenizer = bert(lowercase=False, strip_accents=True, handle_chinese_chars=False, clean_text=False)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def words():
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("isolated"), pre_tokenizers.CharDelimiterSplit("_")])
    train(tokenizer, trainers.WordLevelTrainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False))
    return tokenizer


def normalize_model_proto(folder, **options):
    """A SentencePiece model, trained on TRAINING."""
    with tempfile.TemporaryDirectory() as temporary:
        corpus = pathlib.Path(temporary, "corpus.txt")
        corpus.write_text(TRAINING)
        rules = pathlib.Path(temporary, "rules.tsv")
        # Ours, so that nobody else's tables are committed: full-width letters, ligatures, white space.
        pairs = [(chr(0xFF01 + i), chr(0x21 + i)) for i in range(94)]
        pairs += [("\ufb01", "fi"), ("\u00a0", " "), ("\u3000", " "), ("\t", " "), ("\n", " "), ("\r", " "),
                  ("e\u0301", "é"), ("\u212b", "Å"), ("\u200b", "")]
        rules.write_text("".join(" ".join(f"{ord(c):X}" for c in source) + "\t" +
                                 " ".join(f"{ord(c):X}" for c in target) + "\n" for source, target in pairs))
        prefix = pathlib.Path(temporary, "model")
        sentencepiece.SentencePieceTrainer.train(input=str(corpus), model_prefix=str(prefix), minloglevel=2,
                                                 normalization_rule_tsv=str(rules), hard_vocab_limit=False,
                                                 num_threads=1, **options)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.model").write_bytes(prefix.with_suffix(".model").read_bytes())
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


def fields(message):
    """The length-delimited fields of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 2:
            size = varint()
            yield tag >> 3, message[at:at + size]
            at += size
        elif tag & 7 == 0:
            varint()
        else:
            at += {1: 8, 5: 4}[tag & 7]


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def shown(text, ids, unknown):
    """A decoded text that every program shows alike, or None."""
    return None if "\ufffd" in text or unknown in ids else text


def main():
    root = pathlib.Path(sys.argv[1])
    root.mkdir(parents=True, exist_ok=True)
    write(root / "texts.json", [{"text": text} for text in TEXTS] + [{"hex": raw.hex()} for raw in RAW])
    texts = TEXTS + [raw.decode("utf-8", "replace") for raw in RAW]

    charsmap = None
    for name, options in {
            "sentencepiece-bpe": dict(model_type="bpe", vocab_size=700, byte_fallback=True),
            "sentencepiece-unigram": dict(model_type="unigram", vocab_size=600, remove_extra_whitespaces=False,
                                          user_defined_symbols=["<tool>", "</tool>"]),
    }.items():
        processor = normalize_model_proto(root / name, **options)
        cases = []
        for text in texts:
            ids = processor.encode(text)
            # The library drops every space in front, those of the text too.
            decoded = "\ufffd" if "▁" in text else processor.decode(ids)
            cases.append({"ids": ids, "text": shown(decoded, ids, processor.unk_id())})
        write(root / name / "expected.json", cases)
        for number, part in fields((root / name / "tokenizer.model").read_bytes()):
            if number == 3:
                charsmap = dict(fields(part))[2]

    for make in (gpt2, llama3, qwen2, deepseek, starcoder, falcon, o200k, neox, roberta, clip, llama2, gemma, mistral,
                 albert, lambda: t5(charsmap), xlnet, bert_uncased, bert_cased, words):
        name = make.__name__.replace("_", "-").replace("<lambda>", "t5")
        tokenizer = make()
        data = json.loads(tokenizer.to_str())
        write(root / f"{name}.json", data)
        # A unigram model has a number instead.
        unknown = data["model"].get("unk_id", tokenizer.token_to_id(data["model"].get("unk_token") or ""))
        cases = []
        for text in texts:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            framed = tokenizer.encode(text).ids
            cases.append({"ids": ids, "framed": framed, "text": shown(tokenizer.decode(ids), ids, unknown)})
        write(root / f"{name}.expected.json", cases)


if __name__ == "__main__":
    main()

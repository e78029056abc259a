#include "runtime/chat/interpreter.h"

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/chat/builtin.h"
#include "tests/runtime/chat/render.h"

namespace quantd::jinja {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kUser[] = R"({"u": "<user>", "l": ["a", "<b>"], "d": {"k": "v"}})";

struct MarkCase {
  const char *source, *marked;
};

// What a template writes itself is told apart from what it was given, through every operation.
TEST(InterpreterTest, RemembersWhatIsFromOutside) {
  const MarkCase cases[] = {
      {"<s>{{ u }}</s>", "<s>«<user>»</s>"},
      {"{{ '<' + u + '>' }}", "<«<user>»>"},
      {"{{ '<' ~ u ~ 1 }}", "<«<user>»1"},
      {"{{ u[1:-1] }}{{ u[0] }}{{ u[::-1] }}", "«user<>resu<»"},
      {"{{ ('x' ~ u ~ 'y')[2:9] }}", "«user>»y"},
      {"{{ (' ' ~ u ~ ' ') | trim }}", "«<user>»"},
      {"{{ u | upper }}{{ u.title() }}{{ ('a' ~ u) | capitalize }}", "«<USER><User>»A«<user>»"},
      {"{{ u | replace('user', 'x') }}", "«<»x«>»"},
      {"{{ 'a-b' | replace('-', u) }}", "a«<user>»b"},
      {"{{ 'x%sy' % u }}{{ '{}'.format(u) }}{{ '%s' | format(u) }}", "x«<user>»y«<user><user>»"},
      {"{{ u.split('s') | join('+') }}", "«<u»+«er>»"},
      {"{{ l | join(', ') }}{{ ','.join(l) }}", "«a», «<b>a»,«<b>»"},
      {"{{ l }}", "['«a»', '«<b>»']"},
      {"{{ l | tojson }}{{ d | tojson }}", "[\"«a»\", \"«<b>»\"]{\"«k»\": \"«v»\"}"},
      {"{% for c in u %}{{ c }}.{% endfor %}", "«<».«u».«s».«e».«r».«>»."},
      {"{% for k, v in d.items() %}{{ k ~ '=' ~ v }}{% endfor %}", "«k»=«v»"},
      {"{% set x %}<{{ u }}>{% endset %}{{ x }}", "<«<user>»>"},
      {"{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(u) ~ m('t') }}", "<«<user>»><t>"},
      {"{% filter upper %}a{{ u }}{% endfilter %}", "A«<USER>»"},
      {"{{ u | e }}{{ u | safe }}{{ u | string }}", "«&lt;user&gt;<user><user>»"},
      {"{{ ('t\n' ~ u) | indent(1) }}", "t\n «<user>»"},
      {"{{ (u * 2)[:8] }}", "«<user><u»"},
      {"{{ l | first }}{{ l | sort | last }}{{ l | map('upper') | list | last }}", "«aa<B>»"},
      {"{{ u | length }}{{ u == '<user>' }}{{ 'us' in u }}", "6TrueTrue"},
      {"{{ u or 'x' }}{{ missing | default(u) }}{{ u if true }}", "«<user><user><user>»"},
      {"{% set ns = namespace(x=u) %}{% set ns.y = ns.x ~ '!' %}{{ ns.y }}", "«<user>»!"},
      {"{{ u.partition('s')[2] }}{{ u.removeprefix('<') }}{{ u.splitlines()[0] }}",
       "«er>user><user>»"},
      {"{{ {'k': u}['k'] }}{{ dict(a=u).a }}{{ [u, 1][0] }}", "«<user><user><user>»"},
  };
  for (const MarkCase& c : cases) EXPECT_EQ(RenderMarked(c.source, kUser), c.marked) << c.source;
}

TEST(InterpreterTest, SortingKeepsTheItemsAsTheyAre) {
  EXPECT_EQ(RenderMarked("{{ ['B', u, 'a'] | sort | join }}", kUser), "«<user>»aB");
}

TEST(InterpreterTest, ErrorsTellTheLine) {
  EXPECT_THAT(RenderMarked("a\n{{ x.y }}\n"), HasSubstr("INVALID_ARGUMENT: line 2: 'x' is undef"));
  EXPECT_THAT(RenderMarked("{{ 1 }}\n{% if true %}\n{{ 1 +\n 'a' }}{% endif %}"),
              HasSubstr("line 3: unsupported operand"));
  EXPECT_THAT(RenderMarked("{% macro m() %}\n{{ 1 / 0 }}{% endmacro %}\n\n{{ m() }}"),
              HasSubstr("line 2: division by zero"));
  EXPECT_THAT(RenderMarked("{{ 'x' | nope }}"), HasSubstr("No filter named 'nope'"));
  EXPECT_THAT(RenderMarked("{{ 'x' is nope }}"), HasSubstr("No test named 'nope'"));
}

TEST(InterpreterTest, WhatATemplateRaisesIsToldApart) {
  const auto text = RenderText("\n{{ raise_exception('No, ' ~ 'thanks') }}");
  EXPECT_TRUE(IsRaised(text.status()));
  EXPECT_EQ(text.status().message(), "No, thanks");
  EXPECT_FALSE(IsRaised(RenderText("{{ 1 / 0 }}").status()));
  const auto large = RenderText("{{ raise_exception('x' * 100000) }}");
  EXPECT_TRUE(IsRaised(large.status()));
  EXPECT_LE(large.status().message().size(), 1024u);
}

// The hostile list: each ends in an error within a moment, in bounded memory.
TEST(InterpreterTest, HostileTemplatesEndInErrors) {
  const char* const sources[] = {
      "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
      "{% for a in range(99999) if false %}{% endfor %}{% for a in range(99999) if 1 > 2 and 3 %}"
      "{% endfor %}{% for a in range(99999) if false %}{% endfor %}",
      "{{ 'x' * 1000000000 }}",
      "{{ 'x' * 9223372036854775807 }}",
      "{{ '' * 9223372036854775807 }}{{ 1 / 0 }}",
      "{{ [0] * 1000000000 }}",
      "{{ ([0] * 1000) * 1000000 }}",
      "{{ range(100001) }}",
      "{{ range(0, 9223372036854775807, 1) }}",
      "{{ range(-9223372036854775807, 9223372036854775807) }}",
      "{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}"
      "{% endfor %}",
      "{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s.replace('x', "
      "'xx') %}{% endfor %}",
      "{% set ns = namespace(l=[1]) %}{% for i in range(64) %}{% set ns.l = ns.l + ns.l %}"
      "{% endfor %}",
      "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor "
      "%}",
      "{% set ns = namespace(l={}) %}{% for i in range(9999) %}{% set ns.l = {1: ns.l} %}"
      "{% endfor %}",
      "{% set x = 'a' * 100000 %}{% for i in range(10000) %}{{ x }}{% endfor %}",
      "{% set x = 'a' * 100000 %}{% for i in range(100000) %}{% set y = x | upper %}{% endfor %}",
      "{% set x = 'a' * 1000000 %}{% for i in range(100000) %}{{ x.rfind('a' * 500000 ~ 'b') }}"
      "{% endfor %}",
      "{% set x = 'a' * 1000000 %}{{ x | list | length }}",
      "{% set x = 'a' * 1000000 %}{{ x.split('a') | length }}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro m(n) %}{{ m(n) ~ m(n) }}{% endmacro %}{{ m(1) }}",
      "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
      "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}",
      "{% macro m(x=m()) %}{% endmacro %}{{ m() }}",
      "{{ 2 ** 64 }}",
      "{{ 3 ** 1000000000 }}",
      "{{ '%1000000000d' % 1 }}",
      "{{ '%.1000000000f' % 1 }}",
      "{{ 'a' | indent(1000000000) }}",
      "{{ [1] | tojson(indent=1000000000) }}",
      "{{ ''.__class__.__mro__ }}",
      "{{ ''['__class__']['__base__'] }}",
      "{{ [].append.__self__.x }}",
      "{{ range.__globals__['os'] }}",
      "{{ messages.__class__ }}{{ messages.x.y }}",
      "{{ strftime_now('%c' * 10000) }}",
  };
  for (const char* source : sources) {
    const auto began = std::chrono::steady_clock::now();
    const auto text = RenderText(source, R"({"messages": []})");
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    EXPECT_FALSE(text.ok()) << source << " gave " << text->size() << " bytes";
    // A tenth of it is usual; sanitizers and busy machines take their share.
    EXPECT_LT(took.count(), 5) << source;
  }
}

TEST(InterpreterTest, LimitsAreToldByName) {
  EXPECT_THAT(RenderMarked("\n{% for i in range(9) %}{% endfor %}", "{}", {.steps = 10}),
              StartsWith("RESOURCE_EXHAUSTED: line 2: the template takes more than 10 steps"));
  EXPECT_THAT(RenderMarked("{{ 'x' * 5000 }}", "{}", {.memory_bytes = 4000}),
              HasSubstr("need more than 4000 bytes"));
  EXPECT_THAT(RenderMarked("{{ 'x' * 500 }}", "{}", {.output_bytes = 400}),
              HasSubstr("longer than 400 bytes"));
  EXPECT_THAT(RenderMarked("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
              HasSubstr("recurses too deeply"));
  EXPECT_THAT(RenderMarked("{{ range(100001) }}"), HasSubstr("Range too big"));
}

TEST(InterpreterTest, MemoryThatIsGivenBackCanBeUsedAgain) {
  // Ten times 100 KB, but never all at once. Each byte that is repeated is a step.
  EXPECT_EQ(RenderMarked("{% for i in range(10) %}{% set x = 'a' * 100000 %}{% endfor %}done", "{}",
                         {.steps = 2'000'000, .memory_bytes = 500'000}),
            "done");
}

// Values that hold themselves are given back: the leak checker of the sanitizers would tell.
TEST(InterpreterTest, CyclesAreGivenBack) {
  const char* const sources[] = {
      "{% set ns = namespace() %}{% set ns.self = ns %}{% set ns.l = [ns, {'a': ns}] %}",
      "{% macro m() %}{% endmacro %}{% set ns = namespace(m=m) %}",
      "{% for i in [1] %}{% macro m() %}{{ i }}{% endmacro %}{% set x = m %}{% endfor %}",
      "{% set ns = namespace() %}{% for i in [ns, ns] %}{% set ns.loop = loop %}"
      "{{ loop.changed(loop, ns) }}{% endfor %}{{ ns.loop.changed(ns.loop) }}{{ ns.loop.length }}",
      "{% set ns = namespace() %}{% macro m() %}{% set ns.c = caller %}{{ caller() }}{% endmacro %}"
      "{% call m() %}{% set x = ns %}{% endcall %}",
      "{% set ns = namespace(l=none) %}{% for i in range(5000) %}{% for x in [ns.l] %}"
      "{% set ns.l = loop %}{% endfor %}{% endfor %}",
      "{% set ns = namespace(n=none) %}{% for i in range(5000) %}{% set m = namespace(n=ns.n) %}"
      "{% set ns.n = m %}{% endfor %}",
  };
  for (const char* source : sources) {
    const auto text = RenderText(source);
    EXPECT_TRUE(text.ok()) << source << ": " << text.status();
  }
}

TEST(InterpreterTest, LoopsThatAreOverHaveNoItems) {
  EXPECT_EQ(RenderMarked("{% set ns = namespace() %}{% for x in [1, 2] %}{% set ns.l = loop %}"
                         "{% endfor %}{{ ns.l.index }}{{ ns.l.length }}[{{ ns.l.nextitem }}]"
                         "[{{ ns.l.previtem }}]"),
            "22[][]");
}

TEST(InterpreterTest, ProgramsAreRenderedManyTimes) {
  const auto program = ParseTemplate("{% set n = n + 1 %}{{ n }}");
  ASSERT_TRUE(program.ok()) << program.status();
  for (int i = 0; i < 3; ++i) {
    const auto text =
        Render(**program, {{"n", Value::Int(i)}, {"unused", Value()}}, Limits(), absl::UnixEpoch());
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(text->bytes, absl::StrCat(i + 1));
  }
}

}  // namespace
}  // namespace quantd::jinja

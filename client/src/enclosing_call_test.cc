#include <bursar/enclosing_call.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace bursar {
namespace {

EnclosingCall Outer() {
  return {.subject = {.user = "ada", .run = "r1", .parent_run = "r0", .root_run = "r0"},
          .trace = {.trace_id = "t", .span_id = "s"}};
}

TEST(Inherit, FillsInRunAndTraceOnly) {
  Subject subject;
  std::optional<TraceIds> trace;
  Inherit(Outer(), &subject, &trace);
  EXPECT_EQ(subject, (Subject{.run = "r1", .parent_run = "r0", .root_run = "r0"}));
  EXPECT_EQ(trace->trace_id, "t");
  EXPECT_EQ(trace->span_id, "");
  EXPECT_EQ(trace->parent_span_id, "s");
}

TEST(Inherit, AnotherRunIsAChild) {
  Subject subject{.run = "r2"};
  std::optional<TraceIds> trace;
  Inherit(Outer(), &subject, &trace);
  EXPECT_EQ(subject.parent_run, "r1");
  EXPECT_EQ(subject.root_run, "r0");
  subject = {.run = "r2"};
  Inherit({.subject = {.run = "top"}}, &subject, &trace);
  EXPECT_EQ(subject.root_run, "top");  // a run without a root is one
}

TEST(Inherit, WhatIsGivenStays) {
  Subject subject{.run = "r9", .parent_run = "r8", .root_run = "r7"};
  std::optional<TraceIds> trace = TraceIds{.trace_id = "own", .span_id = "o"};
  Inherit(Outer(), &subject, &trace);
  EXPECT_EQ(subject, (Subject{.run = "r9", .parent_run = "r8", .root_run = "r7"}));
  EXPECT_EQ(trace->trace_id, "own");
  EXPECT_EQ(trace->parent_span_id, "");
}

TEST(Inherit, OfNothingIsNothing) {
  Subject subject{.user = "ada"};
  std::optional<TraceIds> trace;
  Inherit({}, &subject, &trace);
  EXPECT_EQ(subject, (Subject{.user = "ada"}));
  EXPECT_FALSE(trace.has_value());
}

TEST(EnclosingCallScope, IsOfItsThreadAndTheInnermostCounts) {
  EXPECT_EQ(CurrentCall().subject.run, "");
  const EnclosingCallScope outer({.subject = {.run = "a"}});
  {
    const EnclosingCallScope inner({.subject = {.run = "b"}});
    EXPECT_EQ(CurrentCall().subject.run, "b");
    std::thread([] { EXPECT_EQ(CurrentCall().subject.run, ""); }).join();
  }
  EXPECT_EQ(CurrentCall().subject.run, "a");
}

TEST(EnclosingCallScope, MayEndOutOfTurn) {
  auto first = std::make_unique<EnclosingCallScope>(EnclosingCall{.subject = {.run = "a"}});
  const EnclosingCallScope second({.subject = {.run = "b"}});
  first.reset();
  EXPECT_EQ(CurrentCall().subject.run, "b");
}

TEST(Traceparent, IsReadAndWritten) {
  const std::string header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto trace = ParseTraceparent(header);
  ASSERT_TRUE(trace.has_value());
  EXPECT_EQ(trace->trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(trace->span_id, "b7ad6b7169203331");
  EXPECT_EQ(FormatTraceparent(*trace), header);
  EXPECT_TRUE(ParseTraceparent("cc" + header.substr(2) + "-later").has_value());
}

TEST(Traceparent, AnotherTextIsNone) {
  for (const char* header : {"", "00", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                             "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                             "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                             "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                             "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                             "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}) {
    EXPECT_FALSE(ParseTraceparent(header).has_value()) << header;
  }
  EXPECT_EQ(FormatTraceparent({.trace_id = "my-trace", .span_id = "b7ad6b7169203331"}), "");
}

TEST(Inherit, NamingTheRunAroundIsLikeNamingNone) {
  Subject subject{.run = "r1"};
  std::optional<TraceIds> trace;
  Inherit(Outer(), &subject, &trace);
  EXPECT_EQ(subject, (Subject{.run = "r1", .parent_run = "r0", .root_run = "r0"}));
}

}  // namespace
}  // namespace bursar

// bursar adjust: what is typed, what is asked, what is printed.
#include "cli/adjust_command.h"

#include "cli/program_fixture.h"

namespace bursar::cli {
namespace {

class AdjustCommandTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    server_.adjust = [this](const v1::AdjustUsageRequest& request,
                            v1::AdjustUsageResponse* response) {
      asked_ = request;
      *response = answer_;
      return grpc::Status::OK;
    };
  }

  v1::AdjustUsageRequest asked_;
  v1::AdjustUsageResponse answer_;
};

TEST_F(AdjustCommandTest, SaysWhatTheCallReallyCost) {
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "delta_nanousd: -210000000 budgets { budget: \"budgets/user-day\" unit: UNIT_COST "
      "limit: 1000000000 spent: 40000000 remaining: 960000000 used_fraction: 0.04 }",
      &answer_));
  EXPECT_EQ(Run({"adjust", "u-1", "--cost", "0.04", "--reason", "invoice 17", "--id", "a-1"}), 0);
  EXPECT_EQ(asked_.ShortDebugString(),
            "usage_id: \"u-1\" adjustment_id: \"a-1\" cost_nanousd: 40000000 "
            "reason: \"invoice 17\"");
  EXPECT_EQ(out_.str(),
            "usage       u-1\n"
            "adjustment  a-1\n"
            "charged     $0.21 less than before\n"
            "\n"
            "  BUDGET    GROUP   USED  SPENT   HELD   LEFT  LIMIT  WINDOW ENDS\n"
            "  user-day         4.0 %  $0.04  $0.00  $0.96  $1.00  never\n");
  EXPECT_EQ(Run({"adjust", "u-1", "--cost", "0", "--json"}), 0);
  EXPECT_TRUE(asked_.has_cost_nanousd()) << "a full refund";
  EXPECT_EQ(asked_.cost_nanousd(), 0);
  EXPECT_EQ(asked_.adjustment_id().size(), 36u) << "a random UUID";
  EXPECT_NE(out_.str().find("\"deltaNanousd\": \"-210000000\""), std::string::npos);
}

TEST_F(AdjustCommandTest, SaysWhatTheCallReallyUsed) {
  answer_.set_delta_nanousd(1500);
  EXPECT_EQ(Run({"adjust", "u-1", "--input-tokens", "1200", "--output-tokens", "300", "--id", "a"}),
            0);
  EXPECT_EQ(asked_.ShortDebugString(),
            "usage_id: \"u-1\" adjustment_id: \"a\" tokens { uncached_input_tokens: 1200 "
            "visible_output_tokens: 300 }");
  EXPECT_NE(out_.str().find("$0.0000015 more than before\n"), std::string::npos) << out_.str();
}

TEST_F(AdjustCommandTest, RefusesWrongWordsInOneSentence) {
  const std::string which = "which record? `bursar adjust USAGE_ID --cost 0.12` would be right";
  const std::string truth =
      "adjust needs to know the truth: either --cost 0.12 or token flags like --input-tokens 1200 "
      "--output-tokens 300 would be right";
  const std::pair<Words, std::string> kCases[] = {
      {{"adjust"}, which},
      {{"adjust", "--cost", "1"}, which},
      {{"adjust", "u"}, truth},
      {{"adjust", "u", "--cost", "1", "--input-tokens", "1"}, truth},
      {{"adjust", "u", "--cost", "-1"},
       "--cost: \"-1\" is negative; an amount in US dollars like 0.12 would be right"},
  };
  for (const auto& [words, message] : kCases) {
    EXPECT_EQ(Run(words), 2) << message;
    EXPECT_EQ(err_.str(), "bursar: " + message + "\n");
  }
}

TEST_F(AdjustCommandTest, SaysWhatTheServerRefused) {
  server_.adjust = [](const auto&, v1::AdjustUsageResponse*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "usage_id \"u\" is not known");
  };
  EXPECT_EQ(Run({"adjust", "u", "--cost", "1"}), 1);
  EXPECT_NE(err_.str().find("usage_id \"u\" is not known"), std::string::npos);
}

}  // namespace
}  // namespace bursar::cli

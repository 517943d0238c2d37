#include <bursar/status.h>
#include <gtest/gtest.h>

#include <memory>

namespace bursar {
namespace {

TEST(Status, OkHasNoMessage) {
  const Status ok;
  EXPECT_TRUE(ok.ok());
  EXPECT_EQ(ok.code(), StatusCode::kOk);
  EXPECT_EQ(ok.ToString(), "OK");
  EXPECT_TRUE(Status(StatusCode::kOk, "ignored").ok());
}

TEST(Status, KeepsItsDetailsWhenCopied) {
  const Status status(StatusCode::kInvalidArgument, "wrong",
                      {.reason = "BAD", .field_violations = {{"tokens", "must be there"}}});
  const Status copy = status;
  EXPECT_EQ(copy.ToString(), "INVALID_ARGUMENT: wrong");
  EXPECT_EQ(copy.reason(), "BAD");
  ASSERT_EQ(copy.field_violations().size(), 1u);
  EXPECT_EQ(copy.field_violations()[0].field, "tokens");
}

TEST(StatusCodeName, SurvivesAnUnknownNumber) {
  EXPECT_EQ(StatusCodeName(StatusCode::kUnauthenticated), "UNAUTHENTICATED");
  EXPECT_EQ(StatusCodeName(static_cast<StatusCode>(99)), "CODE_99");
  EXPECT_EQ(StatusCodeName(static_cast<StatusCode>(-1)), "CODE_-1");
}

TEST(StatusOr, GivesItsValueAwayOnce) {
  StatusOr<std::unique_ptr<int>> made = std::make_unique<int>(7);
  ASSERT_TRUE(made.ok());
  const std::unique_ptr<int> taken = *std::move(made);
  EXPECT_EQ(*taken, 7);
}

TEST(StatusOr, ThrowsWhereTheCallerDidNotLook) {
  const StatusOr<int> none = Status(StatusCode::kNotFound, "no budget x");
  EXPECT_FALSE(none.ok());
  EXPECT_THROW((void)none.value(), BadStatusAccess);
  EXPECT_THROW((void)*none, BadStatusAccess);
}

TEST(StatusOr, AnOkStatusIsNoValue) {
  const StatusOr<int> wrong = Status();
  EXPECT_EQ(wrong.status().code(), StatusCode::kInternal);
}

}  // namespace
}  // namespace bursar

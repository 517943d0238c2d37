#include "src/transport.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "testing/temporary_folder.h"

namespace bursar::internal {
namespace {

TEST(IsLoopback, KnowsWhatCannotLeaveTheMachine) {
  for (const char* endpoint : {"127.0.0.1:50051", "127.8.9.1:1", "localhost:50051", "[::1]:50051",
                               "unix:/run/bursar.sock", "127.0.0.1:1,127.0.0.1:2"}) {
    EXPECT_TRUE(IsLoopback(endpoint)) << endpoint;
  }
  for (const char* endpoint :
       {"10.0.0.1:50051", "127.evil.example:50051", "purse:50051", "localhost.example:50051",
        "[::2]:50051", "0.0.0.0:50051", "127.0.0.1:1,10.0.0.1:1", ""}) {
    EXPECT_FALSE(IsLoopback(endpoint)) << endpoint;
  }
}

TEST(OpenTransport, SendsNoKeyInPlainTextToAnotherMachine) {
  ClientOptions options;
  options.endpoint = "purse.example:50051";
  options.api_key = "bsr_secret";
  const auto refused = OpenTransport(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.status().message().find("purse.example:50051"), std::string::npos);
  EXPECT_EQ(refused.status().message().find("bsr_secret"), std::string::npos);

  options.allow_insecure_plaintext = true;
  EXPECT_TRUE(OpenTransport(options).ok());
  options.allow_insecure_plaintext = false;
  options.api_key.clear();
  EXPECT_TRUE(OpenTransport(options).ok());  // nothing secret on the way
}

TEST(OpenTransport, RefusesWhatIsNoEndpoint) {
  for (const char* endpoint :
       {"", "purse", ":50051", "http://purse:50051", "purse:", "purse:x", "purse:0", "purse:65536",
        "purse: 1", "unix:", "a:1,b:2", "127.0.0.1:1,", "127.0.0.1:1,[::1]:1"}) {
    ClientOptions options;
    options.endpoint = endpoint;
    EXPECT_EQ(OpenTransport(options).status().code(), StatusCode::kInvalidArgument) << endpoint;
  }
}

TEST(KeySource, AFileThatIsSlowToReadKeepsNoOtherCallWaiting) {
  const bursar::testing::TemporaryFolder folder;
  ClientOptions options;
  options.api_key_file = folder.path() + "/key";
  bursar::testing::WriteFile(options.api_key_file, "first\n");
  const auto source = KeySource::Open(options);
  ASSERT_TRUE(source.ok());
  ::unlink(options.api_key_file.c_str());
  ASSERT_EQ(::mkfifo(options.api_key_file.c_str(), 0600), 0);  // read once somebody writes
  auto renewed = std::async(std::launch::async, [&] { return (*source)->Renew("first"); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  auto key = std::async(std::launch::async, [&] { return (*source)->key(); });
  EXPECT_EQ(key.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  bursar::testing::WriteFile(options.api_key_file, "second\n");
  EXPECT_TRUE(renewed.get());
  EXPECT_EQ((*source)->key(), "second");
}

TEST(ToStatus, ReadsReasonViolationsAndRetryDelay) {
  google::rpc::ErrorInfo info;
  info.set_reason("BAD_TOKENS");
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field("tokens.cache_read_tokens");
  violation->set_description("must be 0 or more");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  details.add_details()->PackFrom(bad_request);
  details.add_details()->PackFrom(retry);

  const Status status = ToStatus(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "wrong tokens",
                                              details.SerializeAsString()));
  EXPECT_EQ(status.ToString(), "INVALID_ARGUMENT: wrong tokens");
  EXPECT_EQ(status.reason(), "BAD_TOKENS");
  ASSERT_EQ(status.field_violations().size(), 1u);
  EXPECT_EQ(status.field_violations()[0].field, "tokens.cache_read_tokens");
  EXPECT_EQ(status.field_violations()[0].description, "must be 0 or more");
  EXPECT_EQ(status.retry_delay(), std::chrono::milliseconds(1500));
}

TEST(ToStatus, SurvivesDetailsThatAreNone) {
  const Status status =
      ToStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "away", "\xff\xff not a proto"));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.reason(), "");
  EXPECT_TRUE(ToStatus(grpc::Status::OK).ok());
}

TEST(ToStatus, ACallThatWasCutOffIsToBeRepeated) {
  const Status status = ToStatus({grpc::StatusCode::CANCELLED, "CANCELLED"});
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "the call was cut off before it was answered");
}

}  // namespace
}  // namespace bursar::internal

#include "src/record_bytes.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "bursar/v1/telemetry_service.pb.h"
#include "src/convert_requests.h"

namespace bursar::internal {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Gives every field of a message a value, and of a oneof the field of the given index.
void SetEveryField(Message* message, int of_oneof) {
  const auto* reflection = message->GetReflection();
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message->GetDescriptor()->field(i);
    if (field->real_containing_oneof() != nullptr && field->index_in_oneof() != of_oneof) continue;
    if (field->is_map()) {
      Message* entry = reflection->AddMessage(message, field);
      const auto* key = entry->GetDescriptor()->field(0);
      const auto* value = entry->GetDescriptor()->field(1);
      entry->GetReflection()->SetString(entry, key, "key");
      if (value->type() == FieldDescriptor::TYPE_STRING) {
        entry->GetReflection()->SetString(entry, value, "value");
      } else if (value->type() == FieldDescriptor::TYPE_INT64) {
        entry->GetReflection()->SetInt64(entry, value, 12345678901);
      } else {
        ADD_FAILURE() << "a map of a kind that this test does not know: " << field->full_name();
      }
    } else if (field->type() == FieldDescriptor::TYPE_MESSAGE) {
      if (field->message_type()->full_name() == "google.protobuf.Struct") continue;
      SetEveryField(field->is_repeated() ? reflection->AddMessage(message, field)
                                         : reflection->MutableMessage(message, field),
                    of_oneof);
    } else if (field->type() == FieldDescriptor::TYPE_STRING) {
      reflection->SetString(message, field, "text of " + field->name());
    } else if (field->type() == FieldDescriptor::TYPE_INT64) {
      reflection->SetInt64(message, field, 1'000'000'000 + field->number());
    } else if (field->type() == FieldDescriptor::TYPE_INT32) {
      reflection->SetInt32(message, field, 100 + field->number());
    } else if (field->type() == FieldDescriptor::TYPE_BOOL) {
      reflection->SetBool(message, field, true);
    } else if (field->type() == FieldDescriptor::TYPE_ENUM) {
      reflection->SetEnumValue(message, field, 1);
    } else {
      ADD_FAILURE() << "a field of a kind that this test does not know: " << field->full_name();
    }
  }
}

TEST(RecordBytes, KeepEveryFieldThatTheApiHas) {
  for (int of_oneof : {0, 1}) {
    v1::RecordUsageRequest message;
    SetEveryField(&message, of_oneof);
    auto& metadata = *message.mutable_metadata()->mutable_fields();
    metadata["number"].set_number_value(0.1);
    metadata["text"].set_string_value("\"quoted\" \n");
    const auto record = ParseRecord(message.SerializeAsString());
    ASSERT_TRUE(record.has_value());
    v1::RecordUsageRequest again;
    ASSERT_TRUE(again.ParseFromString(*SerializeRecord(*record)));
    std::string difference;
    google::protobuf::util::MessageDifferencer differencer;
    differencer.ReportDifferencesToString(&difference);
    EXPECT_TRUE(differencer.Compare(message, again)) << difference;
  }
}

TEST(RecordBytes, WhatIsAbsentStaysAbsent) {
  const auto record = ParseRecord(*SerializeRecord({.usage_id = "u"}));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->usage_id, "u");
  EXPECT_FALSE(record->tokens || record->provider_usage || record->cost_nanousd);
  EXPECT_FALSE(record->occur_time || record->latency || record->time_to_first_token);
  EXPECT_FALSE(record->error || record->trace || record->content);
  EXPECT_EQ(record->metadata_json, "");
}

TEST(RecordBytes, TimesBeyondWhatNanosecondsHoldAreTheNearestThatTheyDo) {
  v1::RecordUsageRequest message;
  message.mutable_occur_time()->set_seconds(-10'000'000'000);
  message.mutable_latency()->set_seconds(9'223'372'036);
  message.mutable_latency()->set_nanos(999'999'999);
  const auto record = ParseRecord(message.SerializeAsString());
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->occur_time, Timestamp::min());
  EXPECT_EQ(record->latency, std::chrono::nanoseconds::max());
  v1::RecordUsageRequest again;
  ASSERT_TRUE(again.ParseFromString(*SerializeRecord(*record)));
  EXPECT_EQ(again.occur_time().seconds(), -9'223'372'037);
  EXPECT_EQ(again.occur_time().nanos(), 145'224'192);
}

TEST(RecordBytes, RefuseWhatCouldNeverBeSent) {
  EXPECT_EQ(SerializeRecord({.metadata_json = "[1]"}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(SerializeRecord({.step = "\xFF"}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(ParseRecord("no record").has_value());
}

TEST(RecordBytes, ARefusalsLineHasAllThatTheRecordHad) {
  const Status why(StatusCode::kInvalidArgument, "a \"bad\"\nthing");
  const std::string line = RefusalLine({.usage_id = "u-1",
                                        .tokens = TokenUsage{.uncached_input_tokens = 77},
                                        .provider_usage = ProviderUsage{.json = "{\"model\":1}"},
                                        .outcome = Outcome::kFailed,
                                        .metadata_json = "[1]"},
                                       why);
  for (const char* part : {"\"usage_id\":\"u-1\"", "INVALID_ARGUMENT", "a \\\"bad\\\"\\nthing",
                           "uncached_input_tokens\":\"77\"", "{\\\"model\\\":1}", "OUTCOME_FAILED",
                           "\"metadata_text\":\"[1]\""}) {
    EXPECT_NE(line.find(part), std::string::npos) << part << " is not in " << line;
  }
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_NE(RefusalLine({.step = "\xFF"}, why).find("record_hex"), std::string::npos);
}

}  // namespace
}  // namespace bursar::internal

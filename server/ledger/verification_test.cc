#include "ledger/verification.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"

namespace bursar::ledger {
namespace {

using Step = Verification::Step;

// Counters with what they say was spent, and what records charged them.
struct Truth {
  std::map<Id, int64_t> spent, charged;

  explicit Truth(int counters) {
    for (int i = 0; i < counters; ++i) {
      const Id id = HashId({"counter", absl::StrCat(i)});
      spent[id] = charged[id] = i * 1000 + 1;
    }
  }
  Id At(int place) const { return std::next(spent.begin(), place)->first; }
};

// Runs the steps of the counters and records, with a token between any two pages.
struct Outcome {
  std::vector<Verification::Suspect> suspects;
  int scans = 0;  // of all records
};
Outcome Verify(const Truth& truth, size_t page_size) {
  Outcome outcome;
  Verification at;
  at.step = Step::kCounters;
  while (at.step != Step::kUsageIds) {
    at = Verification::Decode(at.Encode()).value();
    if (at.step == Step::kCounters) {
      std::vector<Verification::CounterSpent> page;
      for (auto it = truth.spent.lower_bound(at.from);
           it != truth.spent.end() && it->first < at.intervals.front().to &&
           page.size() < page_size;
           ++it) {
        page.push_back({it->first, it->second});
      }
      at.AddCounters(page, page.size() < page_size, {absl::FromUnixSeconds(1), "1:2:"});
      continue;
    }
    for (const auto& [id, amount] : truth.charged) at.AddCharge(id, amount);
    const auto found = at.FinishRecords();
    outcome.suspects.insert(outcome.suspects.end(), found.begin(), found.end());
    ++outcome.scans;
  }
  return outcome;
}

TEST(Verification, ReadsTheRecordsOnceWhereAllAgrees) {
  for (const int counters : {0, 1, 7, 8, 500}) {
    for (const size_t page_size : {1, 7, 8, 1000}) {
      const Outcome outcome = Verify(Truth(counters), page_size);
      EXPECT_EQ(outcome.scans, 1) << counters << " counters, pages of " << page_size;
      EXPECT_TRUE(outcome.suspects.empty());
    }
  }
}

TEST(Verification, NamesEveryWrongCounterWithBothSums) {
  for (const size_t page_size : {1, 7, 100, 10'000}) {
    Truth truth(300);
    const std::map<Id, int64_t> wrong = {{truth.At(0), 1},
                                         {truth.At(150), -7},
                                         {truth.At(151), int64_t{1} << 62},
                                         {truth.At(299), 5}};
    for (const auto& [id, by] : wrong) truth.spent[id] += by;
    const Outcome outcome = Verify(truth, page_size);
    EXPECT_EQ(outcome.scans, 3);
    ASSERT_EQ(outcome.suspects.size(), wrong.size()) << "pages of " << page_size;
    for (const auto& suspect : outcome.suspects) {
      ASSERT_TRUE(suspect.single);
      EXPECT_EQ(suspect.spent, truth.spent.at(suspect.ids.from));
      EXPECT_EQ(suspect.charged, truth.charged.at(suspect.ids.from));
      EXPECT_TRUE(wrong.contains(suspect.ids.from));
    }
  }
}

// A plain sum over a stretch would not see what was charged to the wrong counter.
TEST(Verification, SeesErrorsThatCancelEachOtherOut) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    Truth truth(50);
    const int64_t by = int64_t{1} << (random() % 62);
    const int a = static_cast<int>(random() % 50),
              b = static_cast<int>((a + 1 + random() % 49) % 50);
    truth.spent[truth.At(a)] += by;
    truth.spent[truth.At(b)] -= by;
    EXPECT_EQ(Verify(truth, 1000).suspects.size(), 2u) << by;
  }
}

TEST(Verification, NamesStretchesWhereTooMuchIsWrong) {
  Truth truth(1000);
  for (auto& [id, spent] : truth.spent) ++spent;
  const Outcome outcome = Verify(truth, 10);
  EXPECT_LE(outcome.suspects.size(), 1000u);
  std::set<Id> covered;
  bool any_single = false;
  for (const auto& suspect : outcome.suspects) {
    any_single |= suspect.single;
    for (auto it = truth.spent.lower_bound(suspect.ids.from);
         it != truth.spent.end() && it->first < suspect.ids.to; ++it) {
      covered.insert(it->first);
    }
  }
  EXPECT_EQ(covered.size(), 1000u);
  EXPECT_TRUE(any_single);
}

// A counter that was made after its stretch was read has no charges that the snapshot saw.
TEST(Verification, LeavesCountersAloneThatNoStretchHas) {
  Truth truth(3);
  Verification at;
  at.step = Step::kCounters;
  at.AddCounters({{truth.At(1), 5}}, /*whole=*/true, {absl::FromUnixSeconds(1), "1:2:"});
  EXPECT_EQ(at.step, Step::kRecords);
  at.AddCharge(truth.At(0), 1);
  at.AddCharge(truth.At(1), 5);
  at.AddCharge(truth.At(2), 1);
  EXPECT_TRUE(at.FinishRecords().empty());
  EXPECT_EQ(at.step, Step::kUsageIds);
}

TEST(Verification, DecodesOnlyWhatItEncoded) {
  Verification at;
  at.step = Step::kCounters;
  at.AddCounters({{Id{1, 2}, -5}, {Id{3, 4}, 6}}, /*whole=*/false,
                 {absl::FromUnixMicros(1234567), "10:12:10,11"});
  const std::string text = at.Encode();
  ASSERT_TRUE(Verification::Decode(text));
  EXPECT_EQ(Verification::Decode(text)->Encode(), text);
  for (size_t cut = 0; cut < text.size(); ++cut) {
    const auto decoded = Verification::Decode(text.substr(0, cut));
    if (decoded) {
      EXPECT_EQ(decoded->Encode(), text.substr(0, cut)) << "cut at " << cut;
    }
  }
  const std::string id = ToUuid(Id{});
  for (const std::string& wrong :
       {std::string(), std::string("verify"), absl::StrCat("verify 5 ", id, " 0 ", id, " 1"),
        absl::StrCat("verify -1 ", id, " 0 ", id, " 1"), absl::StrCat("verify 1 x 0 ", id, " 1"),
        absl::StrCat("verify 2 ", id, " 253402300799000001 ", id, " 1"),
        absl::StrCat("verify 2 ", id, " 0 ", id, " 0"),
        absl::StrCat("verify 1 ", id, " 0 ", id, " 1"),
        absl::StrCat("verify 2 ", id, " 0 ", id, " 1\nstretch ", id, " ", id, " 0 1 1 0 0"),
        text + "\n", text + "\nsnapshot 0", text + "\ninterval " + id}) {
    EXPECT_FALSE(Verification::Decode(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace bursar::ledger

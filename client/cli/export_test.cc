// bursar export against a server that answers what a test says; and what its files are made of.
#include <fcntl.h>
#include <sys/file.h>

#include <filesystem>

#include "cli/compression.h"
#include "cli/csv_sums.h"
#include "cli/export_command.h"
#include "cli/period.h"
#include "cli/program_fixture.h"
#include "testing/temporary_folder.h"

namespace bursar::cli {
namespace {

using ::bursar::testing::ReadFile;
using ::bursar::testing::TemporaryFolder;
using ::bursar::testing::WriteFile;

std::string Decompressed(Compression compression, const std::string& bytes, size_t piece,
                         Status* status) {
  Decompressor decompressor(compression);
  std::string text;
  for (size_t at = 0; at < bytes.size() && status->ok(); at += piece) {
    *status = decompressor.Add(std::string_view(bytes).substr(at, piece),
                               [&](std::string_view part) { text += part; });
  }
  if (status->ok()) *status = decompressor.Finish();
  return text;
}

TEST(Compression, FramesOneAfterTheOtherAreTheTextsOneAfterTheOther) {
  std::string big;
  for (int i = 0; i < 100'000; ++i) big += std::to_string(i * 7919 % 100'003) + ",";
  for (const auto compression : {Compression::kNone, Compression::kZstd, Compression::kGzip}) {
    Compressor compressor(compression);
    std::string bytes;
    for (const std::string& text : {std::string("a"), std::string(), big, std::string("z")}) {
      const auto frame = compressor.Compress(text);
      ASSERT_TRUE(frame.ok()) << frame.status().message();
      bytes += *frame;
    }
    for (const size_t piece : {size_t{1}, size_t{1000}, bytes.size()}) {
      Status status;
      EXPECT_TRUE(Decompressed(compression, bytes, piece, &status) == "a" + big + "z");
      EXPECT_TRUE(status.ok()) << status.message();
    }
    if (compression == Compression::kNone) continue;
    EXPECT_LT(bytes.size(), big.size());
    Status status;
    Decompressed(compression, bytes.substr(0, bytes.size() - 1), 1000, &status);
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << "it ends too soon";
    status = {};
    bytes[bytes.size() / 2] ^= 1;
    Decompressed(compression, bytes, 1000, &status);
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << "a byte is another";
  }
}

TEST(Compression, GoesByTheName) {
  EXPECT_EQ(CompressionOf("usage.csv"), Compression::kNone);
  EXPECT_EQ(CompressionOf("usage.csv.gz"), Compression::kGzip);
  EXPECT_EQ(CompressionOf("usage.csv.zst"), Compression::kZstd);
  EXPECT_EQ(CompressionOf("-"), Compression::kNone);
}

TEST(CsvSums, CountsRowsAndSumsTheirCost) {
  const std::string text =
      "user,cost_nanousd,step\r\n\"a,\r\n\"\"b\"\"\",12,x\r\n'=1,-5,\"y\r\n\"\r\n,9000000000000000,"
      "\r\n";
  for (const size_t piece : {size_t{1}, size_t{7}, text.size()}) {
    CsvSums sums;
    for (size_t at = 0; at < text.size(); at += piece) {
      sums.Add(std::string_view(text).substr(at, piece));
    }
    EXPECT_EQ(sums.rows(), 3);
    EXPECT_EQ(sums.cost_nanousd(), 9'000'000'000'000'007);
    EXPECT_TRUE(sums.has_cost());
    EXPECT_TRUE(sums.whole());
  }
  CsvSums cut;
  cut.Add(text.substr(0, text.size() - 2));
  EXPECT_FALSE(cut.whole());
}

// Five pages of one row each: "0\n" to "4\n", of 1 nano-USD each.
class ExportTest : public ProgramTest {
 protected:
  ExportTest() {
    server_.export_usage = [this](const v1::ExportUsageRequest& request,
                                  v1::ExportUsageResponse* page) {
      const int number = request.cursor().empty() ? 0 : std::stoi(request.cursor());
      if (number == fails_at_) return failure_;
      if (number == 0) first_ = request;
      asked_.push_back(number);
      page->set_data(std::to_string(number) + "\n");
      page->set_rows(1);
      page->set_cost_nanousd(1);
      if (number < 4) page->set_next_cursor(std::to_string(number + 1));
      return grpc::Status::OK;
    };
  }

  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  bool There(const std::string& name) const { return std::filesystem::exists(Path(name)); }

  TemporaryFolder folder_;
  int fails_at_ = -1;
  grpc::Status failure_{grpc::StatusCode::PERMISSION_DENIED, "no more"};
  std::vector<int> asked_;
  v1::ExportUsageRequest first_;
};

TEST_F(ExportTest, AsksWithItsFlagsAndWritesPageAfterPage) {
  EXPECT_EQ(
      Run({"export", "--format", "jsonl", "--from", "2026-11-01", "--to", "2026-11-02", "--columns",
           "user,label:env", "--filter", "model!=x", "--page-size", "7", "-o", Path("a.jsonl")}),
      0)
      << err_.str();
  EXPECT_EQ(first_.ShortDebugString(),
            "start_time { seconds: 1793491200 } end_time { seconds: 1793577600 } "
            "filters { dimension: \"model\" values: \"x\" exclude: true } "
            "table: TABLE_RECORDS format: FORMAT_JSONL columns: \"user\" columns: \"label:env\" "
            "page_size: 7");
  EXPECT_EQ(ReadFile(Path("a.jsonl")), "0\n1\n2\n3\n4\n");
  EXPECT_EQ(out_.str(), "5 records, $0.000000005, 1 KiB in " + Path("a.jsonl") + "\n");
  EXPECT_EQ(err_.str(), "") << "there is no terminal to draw on";
  EXPECT_EQ(Run({"export"}), 0);
  EXPECT_EQ(out_.str(), "0\n1\n2\n3\n4\n");
}

TEST_F(ExportTest, TheSameFlagsGoOnWhereItWasBrokenOff) {
  fails_at_ = 3;
  const Words words = {"export", "--period", "7d", "-o", Path("a.csv")};
  EXPECT_EQ(Run(words), 1);
  EXPECT_NE(err_.str().find("no more"), std::string::npos) << err_.str();
  EXPECT_NE(err_.str().find("3 records are in " + Path("a.csv.part") +
                            ", and the same command again goes on from there\n"),
            std::string::npos)
      << err_.str();
  EXPECT_FALSE(There("a.csv"));
  EXPECT_EQ(ReadFile(Path("a.csv.part")), "0\n1\n2\n");
  const std::string request = first_.ShortDebugString();
  fails_at_ = -1;
  asked_.clear();
  WriteFile(Path("a.csv.part"), "0\n1\n2\nhalf of a pa");
  EXPECT_EQ(Run({"export", "--period", "8d", "-o", Path("a.csv")}), 1);
  EXPECT_NE(err_.str().find("of an export with other flags"), std::string::npos) << err_.str();
  EXPECT_EQ(Run(words), 0) << err_.str();
  EXPECT_EQ(asked_, (std::vector<int>{3, 4}));
  EXPECT_EQ(ReadFile(Path("a.csv")), "0\n1\n2\n3\n4\n");
  EXPECT_EQ(out_.str(), "5 records, $0.000000005, 1 KiB in " + Path("a.csv") + "\n");
  EXPECT_FALSE(There("a.csv.part") || There("a.csv.part.state"));
  EXPECT_EQ(Run(words), 0) << "it begins anew";
  EXPECT_EQ(asked_.size(), 7u);
}

TEST_F(ExportTest, GoesOnOnlyWithWhatItWroteItself) {
  fails_at_ = 3;
  const Words words = {"export", "-o", Path("a.csv")};
  EXPECT_EQ(Run(words), 1);
  WriteFile(Path("a.csv.part"), "0\n");
  EXPECT_EQ(Run(words), 1);
  EXPECT_NE(err_.str().find("is shorter than its export left it"), std::string::npos) << err_.str();
  WriteFile(Path("a.csv.part.state"), "{}");
  EXPECT_EQ(Run(words), 1);
  EXPECT_NE(err_.str().find("is not how far an export is"), std::string::npos) << err_.str();
  const int fd = open(Path("a.csv.part").c_str(), O_RDWR);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  std::filesystem::remove(Path("a.csv.part.state"));
  EXPECT_EQ(Run(words), 1);
  EXPECT_NE(err_.str().find("another export is writing to"), std::string::npos) << err_.str();
  close(fd);
  fails_at_ = -1;
  EXPECT_EQ(Run({"export", "-o", Path("a.csv"), "--resume"}), 1);
  EXPECT_NE(err_.str().find("was broken off"), std::string::npos) << err_.str();
  EXPECT_EQ(Run(words), 0) << err_.str();
}

TEST_F(ExportTest, RepeatsAPageThatFailedInPassing) {
  int failures = 2;
  const auto answer = server_.export_usage;
  server_.export_usage = [&](const v1::ExportUsageRequest& request, v1::ExportUsageResponse* page) {
    if (request.cursor() == "2" && failures-- > 0) {
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the database cannot be reached");
    }
    return answer(request, page);
  };
  EXPECT_EQ(Run({"export"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "0\n1\n2\n3\n4\n");
}

TEST_F(ExportTest, SaysWhatWouldBeRight) {
  EXPECT_EQ(Run({"export", "--format", "bundle"}), 2);
  EXPECT_EQ(err_.str(), "bursar: a bundle is a folder: --output FOLDER would be right\n");
  EXPECT_EQ(Run({"export", "--resume"}), 2);
  EXPECT_EQ(Run({"export", "--period", "7d", "--from", "2026-11-01"}), 2);
  EXPECT_EQ(Run({"export", "--from", "2026-11-02", "--to", "2026-11-01"}), 2);
  EXPECT_EQ(Run({"export", "--compress", "lz4"}), 2);
  EXPECT_NE(err_.str().find("zstd, gzip, none"), std::string::npos) << err_.str();
  EXPECT_EQ(Run({"export", "-o", Path("none/a.csv")}), 1);
  EXPECT_NE(err_.str().find("cannot open"), std::string::npos) << err_.str();
  EXPECT_EQ(Run({"export", "--verify", Path("none")}), 1);
  EXPECT_NE(err_.str().find("cannot read"), std::string::npos) << err_.str();
  failure_ = {grpc::StatusCode::INVALID_ARGUMENT, "columns: is \"x\"; allowed are user"};
  fails_at_ = 0;
  EXPECT_EQ(Run({"export", "--columns", "x", "-o", Path("a.csv")}), 2);
  EXPECT_FALSE(There("a.csv.part") || There("a.csv.part.state")) << "nothing was in it";
}

}  // namespace
}  // namespace bursar::cli

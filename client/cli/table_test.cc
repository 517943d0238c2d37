#include "cli/table.h"

#include <gtest/gtest.h>

namespace bursar::cli {
namespace {

TEST(Table, AlignsLeftRightAndAtTheDecimalPoint) {
  Table table({{"MODEL"}, {"CALLS", Align::kRight}, {"COST", Align::kPoint}});
  table.AddRow({"gpt-4o", "1,204", "$12.5"});
  table.AddRow({"claude-sonnet-4", "7", "$0.000125"});
  table.AddRow({"none", "0", "-"});
  EXPECT_EQ(table.Render(),
            "MODEL            CALLS        COST\n"
            "gpt-4o           1,204  $12.5\n"
            "claude-sonnet-4      7   $0.000125\n"
            "none                 0    -\n");
}

TEST(Table, LeavesNoBlanksAtTheEndOfLines) {
  Table table({{"A"}, {"B"}});
  table.AddRow({"long text", ""});
  table.AddRow({"x"});
  EXPECT_EQ(table.Render(), "A          B\nlong text\nx\n");
}

TEST(Table, CountsCharactersNotBytes) {
  Table table({{"NAME"}, {"N", Align::kRight}});
  table.AddRow({"Zo\xc3\xab", "1"});
  table.AddRow({"Zoey", "2"});
  EXPECT_EQ(table.Render(), "NAME  N\nZo\xc3\xab   1\nZoey  2\n");
}

TEST(Table, CountsTheColumnsThatATerminalShows) {
  Table table({{"USER"}, {"COST", Align::kPoint}});
  table.AddRow({"\u5c71\u7530", "$1.5"});  // two ideographs of two columns each
  table.AddRow({"zoe\u0308", "$0.25"});    // an accent that takes none
  table.AddRow({"\U0001f680", "$10"});     // a rocket
  table.AddRow({"a\xff", "$2"});           // no UTF-8
  EXPECT_EQ(table.Render(),
            "USER    COST\n"
            "\u5c71\u7530   $1.5\n"
            "zoe\u0308    $0.25\n"
            "\U0001f680    $10\n"
            "a\xff     $2\n");
}

TEST(Table, TakesAnotherColumnOnTheRight) {
  Table table({{"A"}, {"COST", Align::kPoint}});
  table.AddRow({"x", "$12.5"});
  table.AddRow({"y", "$0.125"});
  EXPECT_EQ(table.Width(), 10u) << table.Render();
  table.AddColumn({""}, {"##"});
  EXPECT_EQ(table.Render(), "A     COST\nx  $12.5    ##\ny   $0.125\n");
  EXPECT_EQ(table.Width(), 14u);
}

TEST(Table, ColoursWholeLinesOnlyWhereWanted) {
  Table table({{"A"}});
  table.AddRow({"full"}, Emphasis::kAlarm);
  EXPECT_EQ(table.Render({.on = true}), "\033[2mA\033[0m\n\033[31mfull\033[0m\n");
  EXPECT_EQ(table.Render({.on = false}), "A\nfull\n");
}

}  // namespace
}  // namespace bursar::cli

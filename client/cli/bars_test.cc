#include "cli/bars.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace bursar::cli {
namespace {

using Texts = std::vector<std::string>;

TEST(Bars, GoByEighthsInProportionToTheLargest) {
  EXPECT_EQ(Bars({1000, 500, 250, 125, 62}, 4, BarSigns::kBlocks),
            (Texts{"\u2588\u2588\u2588\u2588", "\u2588\u2588", "\u2588", "\u258c", "\u258e"}));
  EXPECT_EQ(Bars({800, 700, 101}, 1, BarSigns::kBlocks), (Texts{"\u2588", "\u2589", "\u258f"}));
}

TEST(Bars, ShowWhateverIsMoreThanNothing) {
  EXPECT_EQ(Bars({INT64_MAX, 1, 0, -5}, 2, BarSigns::kBlocks),
            (Texts{"\u2588\u2588", "\u258f", "", ""}));
  EXPECT_EQ(Bars({INT64_MAX, 1, 0, -5}, 2, BarSigns::kAscii), (Texts{"##", "#", "", ""}));
  EXPECT_EQ(Bars({0, INT64_MIN}, 2, BarSigns::kAscii), (Texts{"", ""}));
  EXPECT_EQ(Bars({}, 2, BarSigns::kAscii), Texts{});
  EXPECT_EQ(Bars({1}, 0, BarSigns::kBlocks), Texts{""});
}

TEST(BarSignsOfLocale, TakesTheFirstThatIsSet) {
  const auto signs = [](const char* all, const char* type, const char* lang) {
    setenv("LC_ALL", all, 1);
    setenv("LC_CTYPE", type, 1);
    setenv("LANG", lang, 1);
    return BarSignsOfLocale();
  };
  EXPECT_EQ(signs("", "", "de_DE.UTF-8"), BarSigns::kBlocks);
  EXPECT_EQ(signs("", "en_US.utf8", "C"), BarSigns::kBlocks);
  EXPECT_EQ(signs("C", "en_US.utf8", "de_DE.UTF-8"), BarSigns::kAscii);
  EXPECT_EQ(signs("", "", ""), BarSigns::kAscii);
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) unsetenv(name);
}

}  // namespace
}  // namespace bursar::cli

#pragma once

#include <random>
#include <string>

namespace bursar::testing {

// What the disk would hold of the folders below `base` if the power failed: what was made durable,
// and of the rest as much as luck leaves.
//
// The test program's own fsync, fdatasync and unlink (power_loss.cc) tell what is durable: the
// bytes that a file had when its fdatasync began, the names that a folder had when its fsync began.
// All else may be there, not be there, be cut off anywhere, or be zeros; and a file that was
// removed is back, unless its folder was made durable afterwards. What was there at the start is
// durable.
//
// One at a time. Safe for use by many threads.
class PowerLoss {
 public:
  explicit PowerLoss(std::string base);
  ~PowerLoss();
  PowerLoss(const PowerLoss&) = delete;
  PowerLoss& operator=(const PowerLoss&) = delete;

  // Whether from now on nothing is made durable, though it is said to be.
  void LoseSyncs(bool lose);

  // Writes what is left into a new folder. What happens afterwards does not count any more.
  void FailTo(const std::string& folder, std::mt19937& random);
};

}  // namespace bursar::testing

#pragma once

#include <google/protobuf/arena.h>
#include <grpcpp/support/message_allocator.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"

namespace bursar::rpc {

// Gives each call of a method its request and its answer in one arena: the dozens of little texts
// and submessages of a hot call come out of one block, and the block is used again for a later
// call.
//
// Set with SetMessageAllocatorFor_Method; must outlive the server. Thread-safe.
template <typename Request, typename Response>
class ArenaMessages final : public grpc::MessageAllocator<Request, Response> {
 public:
  grpc::MessageHolder<Request, Response>* AllocateMessages() override {
    std::unique_ptr<Held> held;
    {
      absl::MutexLock lock(&mutex_);
      if (!free_.empty()) {
        held = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (held == nullptr) held = std::make_unique<Held>(*this);
    held->Begin();
    return held.release();  // until gRPC calls Release
  }

 private:
  static constexpr size_t kFreeMax = 512;  // blocks kept for later calls

  class Held final : public grpc::MessageHolder<Request, Response> {
   public:
    explicit Held(ArenaMessages& owner) : owner_(owner), arena_(block_, sizeof(block_)) {}
    void Begin() {
      this->set_request(google::protobuf::Arena::CreateMessage<Request>(&arena_));
      this->set_response(google::protobuf::Arena::CreateMessage<Response>(&arena_));
    }
    void Release() override {
      arena_.Reset();
      owner_.TakeBack(std::unique_ptr<Held>(this));
    }

   private:
    ArenaMessages& owner_;
    char block_[8 << 10];  // a check with three budgets fits
    google::protobuf::Arena arena_;
  };

  void TakeBack(std::unique_ptr<Held> held) {
    absl::MutexLock lock(&mutex_);
    if (free_.size() < kFreeMax) free_.push_back(std::move(held));
  }

  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Held>> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace bursar::rpc

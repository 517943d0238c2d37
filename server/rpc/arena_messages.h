#pragma once

#include <google/protobuf/arena.h>
#include <grpcpp/support/message_allocator.h>

namespace bursar::rpc {

// Gives each call of a method its request and its answer in one arena: the dozens of little texts
// and submessages of a hot call come out of one block and go back with it.
//
// Set with SetMessageAllocatorFor_Method; must outlive the server. Thread-safe.
template <typename Request, typename Response>
class ArenaMessages final : public grpc::MessageAllocator<Request, Response> {
 public:
  grpc::MessageHolder<Request, Response>* AllocateMessages() override { return new Held(); }

 private:
  // Deletes itself when the call is over, as gRPC asks for.
  class Held final : public grpc::MessageHolder<Request, Response> {
   public:
    Held() : arena_(block_, sizeof(block_)) {
      this->set_request(google::protobuf::Arena::CreateMessage<Request>(&arena_));
      this->set_response(google::protobuf::Arena::CreateMessage<Response>(&arena_));
    }
    void Release() override { delete this; }

   private:
    char block_[8 << 10];  // a check with three budgets fits
    google::protobuf::Arena arena_;
  };
};

}  // namespace bursar::rpc

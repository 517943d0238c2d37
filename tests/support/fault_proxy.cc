#include "support/fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace bursar::testing {
namespace {

constexpr int kPollMs = 20;  // how soon it notices that it shall stop
constexpr size_t kChunkBytes = 64 * 1024;

[[noreturn]] void Fail(const char* what) {
  perror(what);
  exit(1);
}

int ConnectToUnixSocket(const std::string& path) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || path.size() >= sizeof address.sun_path) Fail("the proxy's way to PostgreSQL");
  memcpy(address.sun_path, path.c_str(), path.size());
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;  // PostgreSQL is away: the client is hung up on
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(sent);
  }
  return true;
}

// How many bytes the first message of PostgreSQL's has: a type, a length that counts itself, a
// body. 0: not all of it is there.
size_t MessageBytes(std::string_view bytes) {
  if (bytes.size() < 5) return 0;
  uint32_t length = 0;
  memcpy(&length, bytes.data() + 1, sizeof length);
  const size_t all = 1 + size_t{ntohl(length)};
  return bytes.size() < all ? 0 : all;
}

// CommandComplete with the tag COMMIT: durable, and about to be told.
bool SaysCommitted(std::string_view message) {
  return message[0] == 'C' && message.substr(5) == std::string_view("COMMIT\0", 7);
}

}  // namespace

// One client, one connection to PostgreSQL, one thread.
class FaultProxy::Connection {
 public:
  Connection(FaultProxy& proxy, int client)
      : proxy_(proxy), client_(client), server_(ConnectToUnixSocket(proxy.socket_path_)) {}
  ~Connection() {
    close(client_);
    if (server_ >= 0) close(server_);
  }

  void Run() {
    while (server_ >= 0 && !proxy_.stop_) {
      pollfd watched[] = {{client_, POLLIN, 0}, {server_, POLLIN, 0}};
      if (poll(watched, 2, kPollMs) < 0) return;
      if (watched[0].revents != 0 && !FromClient()) return;
      if (watched[1].revents != 0 && !FromServer()) return;
    }
  }

 private:
  bool FromClient() {
    const ssize_t got = read(client_, chunk_, sizeof chunk_);
    return got > 0 && (silent_ || SendAll(server_, {chunk_, static_cast<size_t>(got)}));
  }

  bool FromServer() {
    const ssize_t got = read(server_, chunk_, sizeof chunk_);
    if (got <= 0) return silent_ && WaitForClient();  // a black hole outlives what is behind it
    unread_.append(chunk_, got);
    size_t done = 0;
    for (size_t size; (size = MessageBytes(std::string_view(unread_).substr(done))) > 0;) {
      const std::string_view message = std::string_view(unread_).substr(done, size);
      if (!silent_ && SaysCommitted(message)) {
        switch (proxy_.OnCommit()) {
          case Fault::kNone:
            break;
          case Fault::kReset:
            Reset();
            return false;
          case Fault::kBlackHole:
            SendAll(client_, std::string_view(unread_).substr(0, done));
            unread_.erase(0, done);
            done = 0;
            silent_ = true;
            break;
        }
      }
      done += size;
    }
    const bool sent = silent_ || SendAll(client_, std::string_view(unread_).substr(0, done));
    unread_.erase(0, done);
    return sent;
  }

  bool WaitForClient() {
    while (!proxy_.stop_) {
      pollfd watched = {client_, POLLIN, 0};
      if (poll(&watched, 1, kPollMs) > 0 && read(client_, chunk_, sizeof chunk_) <= 0) return false;
    }
    return false;
  }

  // RST instead of an orderly end.
  void Reset() const {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

  FaultProxy& proxy_;
  const int client_, server_;
  bool silent_ = false;
  std::string unread_;
  char chunk_[kChunkBytes];
};

FaultProxy::FaultProxy(std::string socket_path) : socket_path_(std::move(socket_path)) {
  listen_fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listen_fd_ < 0 || bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listen_fd_, 64) != 0 ||
      getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Fail("the proxy's port");
  }
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { Accept(); });
}

FaultProxy::~FaultProxy() {
  stop_ = true;
  accepting_.join();
  for (auto& thread : threads_) thread.join();
  close(listen_fd_);
}

void FaultProxy::Set(Fault fault, int every, int at_most) {
  std::lock_guard lock(mutex_);
  fault_ = fault;
  every_ = every;
  left_ = at_most;
  since_last_ = 0;
}

FaultProxy::Fault FaultProxy::OnCommit() {
  ++commits_;
  std::lock_guard lock(mutex_);
  if (fault_ == Fault::kNone || left_ == 0 || ++since_last_ < every_) return Fault::kNone;
  since_last_ = 0;
  --left_;
  ++fired_;
  return fault_;
}

void FaultProxy::Accept() {
  while (!stop_) {
    pollfd watched = {listen_fd_, POLLIN, 0};
    if (poll(&watched, 1, kPollMs) <= 0) continue;
    const int client = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    threads_.emplace_back([this, client] { std::make_unique<Connection>(*this, client)->Run(); });
  }
}

}  // namespace bursar::testing

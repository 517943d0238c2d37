#include "cli/verify_command.h"

#include "cli/flags.h"
#include "cli/parse.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using internal::FormatCount;

constexpr int64_t kProgressRows = 100'000;

int64_t Rows(const v1::VerifyLedgerResponse& response) {
  return response.counters() + response.reservations() + response.records();
}

std::string Plural(int64_t count, const std::string& one) {
  return FormatCount(count) + " " + one + (count == 1 ? "" : "s");
}

std::string BreachText(int64_t count) {
  if (count == 0) return "no breach";
  return count == 1 ? "1 breach" : FormatCount(count) + " breaches";
}

std::string CheckedText(const v1::VerifyLedgerResponse& all) {
  return Plural(all.counters(), "counter") + ", " + Plural(all.reservations(), "reservation") +
         " and " + Plural(all.records(), "record") + " checked: " + BreachText(all.breaches_size());
}

void Add(const v1::VerifyLedgerResponse& page, v1::VerifyLedgerResponse* all) {
  all->set_counters(all->counters() + page.counters());
  all->set_reservations(all->reservations() + page.reservations());
  all->set_records(all->records() + page.records());
  all->mutable_breaches()->MergeFrom(page.breaches());
}

}  // namespace

VerifyCommand::VerifyCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("verify", "Prove that the ledger is what its records say");
  AddParsedFlag(*app_, "--page-size", "N", "rows that one call reads, up to 10000; default: 1000",
                ParseRows, [this](int32_t rows) { request_.set_page_size(rows); });
}

int VerifyCommand::Run(Server& server, Output& output) {
  v1::VerifyLedgerRequest request = request_;
  v1::VerifyLedgerResponse all;
  do {
    v1::VerifyLedgerResponse page;
    const Status status = server.Call(&AdminStub::VerifyLedger, request, &page);
    if (!status.ok()) {
      output.err << "bursar: broken off; until then " << CheckedText(all) << "\n";
      return Fail(status, server, output);
    }
    if (!output.json) {
      for (const v1::LedgerBreach& breach : page.breaches()) {
        output.out << output.palette.Red(breach.invariant()) << "  " << breach.message() << "\n";
      }
    }
    const int64_t before = Rows(all) / kProgressRows;
    Add(page, &all);
    if (Rows(all) / kProgressRows > before) output.err << CheckedText(all) << " so far\n";
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());

  const int code = all.breaches().empty() ? kExitOk : kExitFailed;
  if (output.json) {
    const int printed = PrintJson(all, output);
    return printed == kExitOk ? code : printed;
  }
  output.out << CheckedText(all) << "\n";
  return code;
}

}  // namespace bursar::cli

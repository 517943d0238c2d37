# bursar_embed(<target> <symbol> <files...>): builds the files' text into a target, so that the binary
# needs nothing beside it. The target's sources then can
#
#   #include "embedded/<symbol>.h"
#   for (const bursar::EmbeddedFile& file : bursar::<symbol>()) Use(file.name, file.text);
#
# in the order given; `name` is the file's name without its folder. A changed file is built in again.
# Run with -P, this file is the generator itself.

if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(BURSAR_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

  function(bursar_embed target symbol)
    set(folder ${CMAKE_CURRENT_BINARY_DIR}/embedded)
    set(paths)
    foreach(file IN LISTS ARGN)
      get_filename_component(path ${file} ABSOLUTE)
      list(APPEND paths ${path})
    endforeach()
    file(MAKE_DIRECTORY ${folder})
    # In a file of its own: any number of paths, and a changed list is a changed dependency.
    file(GENERATE OUTPUT ${folder}/${symbol}.files CONTENT "${paths}")
    add_custom_command(
      OUTPUT ${folder}/${symbol}.cc ${folder}/${symbol}.h
      COMMAND ${CMAKE_COMMAND} -D SYMBOL=${symbol} -D FOLDER=${folder} -P ${BURSAR_EMBED_SCRIPT}
      DEPENDS ${paths} ${folder}/${symbol}.files ${BURSAR_EMBED_SCRIPT}
      COMMENT "Embedding ${symbol}"
      VERBATIM)
    target_sources(${target} PRIVATE ${folder}/${symbol}.cc ${folder}/${symbol}.h)
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
  endfunction()
  return()
endif()

# --- the generator ---

file(READ ${FOLDER}/${SYMBOL}.files files)
list(LENGTH files count)

file(WRITE ${FOLDER}/${SYMBOL}.h "#pragma once

#include <span>
#include <string_view>

#ifndef BURSAR_EMBEDDED_FILE
#define BURSAR_EMBEDDED_FILE
namespace bursar {
struct EmbeddedFile {
  std::string_view name;
  std::string_view text;
};
}  // namespace bursar
#endif

namespace bursar {
std::span<const EmbeddedFile> ${SYMBOL}();
}  // namespace bursar
")

set(source ${FOLDER}/${SYMBOL}.cc)
file(WRITE ${source} "#include \"${SYMBOL}.h\"

#include <array>

namespace bursar {

std::span<const EmbeddedFile> ${SYMBOL}() {
  using namespace std::string_view_literals;
  static constexpr std::array<EmbeddedFile, ${count}> kFiles = {{
")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(FIND "${text}" ")BURSAR_TEXT\"" found)
  if(NOT found EQUAL -1)
    message(FATAL_ERROR "${file} holds )BURSAR_TEXT\": it ends the C++ text that embeds it")
  endif()
  file(APPEND ${source} "      {\"${name}\"sv, R\"BURSAR_TEXT(")
  file(APPEND ${source} "${text}")
  file(APPEND ${source} ")BURSAR_TEXT\"sv},\n")
endforeach()
file(APPEND ${source} "  }};
  return kFiles;
}

}  // namespace bursar
")

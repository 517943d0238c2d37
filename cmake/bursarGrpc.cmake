# bursar::grpcpp, gRPC for C++, and BURSAR_GRPCPP_VERSION, which is empty where pkg-config knows no grpc++. It
# asks pkg-config once for all: pkg_check_modules asks twenty times, and Debian's grpc++.pc requires so much
# that configuring then takes a quarter of a minute. Installed too, for bursarConfig.cmake.
function(bursar_find_grpcpp)
  set(path)
  foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
    list(APPEND path ${prefix}/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig ${prefix}/lib/pkgconfig)
  endforeach()
  list(JOIN path ":" path)
  set(ask ${CMAKE_COMMAND} -E env "PKG_CONFIG_PATH=${path}:$ENV{PKG_CONFIG_PATH}" ${PKG_CONFIG_EXECUTABLE})
  execute_process(COMMAND ${ask} --modversion grpc++ OUTPUT_VARIABLE version
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND ${ask} --cflags --libs grpc++ OUTPUT_VARIABLE flags RESULT_VARIABLE failed
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(failed)
    set(version "")
  endif()
  set(BURSAR_GRPCPP_VERSION "${version}" CACHE INTERNAL "")
  set(BURSAR_GRPCPP_FLAGS "${flags}" CACHE INTERNAL "")
endfunction()

function(bursar_add_grpcpp)
  separate_arguments(flags UNIX_COMMAND "${BURSAR_GRPCPP_FLAGS}")
  list(REVERSE flags)  # of what is there twice the last counts, as archives need it
  list(REMOVE_DUPLICATES flags)
  list(REVERSE flags)
  set(libraries ${flags})
  list(FILTER libraries INCLUDE REGEX "^(-[lL]|-Wl,|-pthread$|[^-])")
  set(folders ${flags})
  list(FILTER folders INCLUDE REGEX "^-I")
  list(TRANSFORM folders REPLACE "^-I" "")
  set(definitions ${flags})
  list(FILTER definitions INCLUDE REGEX "^-D")
  add_library(bursar::grpcpp INTERFACE IMPORTED)
  set_target_properties(bursar::grpcpp PROPERTIES
    INTERFACE_LINK_LIBRARIES "${libraries}"
    INTERFACE_INCLUDE_DIRECTORIES "${folders}"
    INTERFACE_COMPILE_OPTIONS "${definitions}")
endfunction()

if(NOT BURSAR_GRPCPP_FLAGS)
  bursar_find_grpcpp()
endif()
if(BURSAR_GRPCPP_VERSION AND NOT TARGET bursar::grpcpp)
  bursar_add_grpcpp()
endif()

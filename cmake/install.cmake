# What is installed, in three components: client, command, server. Each has its copy of the licence, by the
# name and in the place that Debian's packages have it.
#
#   cmake --install build/release --prefix /opt/bursar --component client
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# bursar_install_licence(<component> <package>)
function(bursar_install_licence component package)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package}
          RENAME copyright COMPONENT ${component})
endfunction()

# --- the client ---

# What the generated code and gRPC's inline functions are bound to: the archives can be linked with nothing else.
string(REGEX MATCH "^[0-9]+\\.[0-9]+" BURSAR_BUILT_WITH_GRPC "${BURSAR_GRPCPP_VERSION}")
string(REGEX MATCH "^[0-9]+\\.[0-9]+" BURSAR_BUILT_WITH_PROTOBUF "${Protobuf_VERSION}")
set(BURSAR_BUILT_WITH_ABSEIL "${absl_VERSION}")

set(bursar_config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/bursar)
set(bursar_pc_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH BURSAR_PC_TO_PREFIX /prefix/${bursar_pc_folder} /prefix)

set_target_properties(bursar_protos PROPERTIES EXPORT_NAME protos)
install(TARGETS bursar_client bursar_protos EXPORT bursar_targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT client
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# `--strip` leaves archives as they are, with debug information that is many times the code.
install(CODE "
  if(CMAKE_INSTALL_DO_STRIP)
    execute_process(COMMAND \"${CMAKE_STRIP}\" --strip-debug --enable-deterministic-archives
      \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/$<TARGET_FILE_NAME:bursar_client>\"
      \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/$<TARGET_FILE_NAME:bursar_protos>\"
      COMMAND_ERROR_IS_FATAL ANY)
  endif()" COMPONENT client)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/client/include/bursar
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT client)
install(EXPORT bursar_targets FILE bursarTargets.cmake NAMESPACE bursar::
        DESTINATION ${bursar_config_folder} COMPONENT client)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/bursarConfig.cmake.in
  ${PROJECT_BINARY_DIR}/bursarConfig.cmake INSTALL_DESTINATION ${bursar_config_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bursarConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/bursarConfig.cmake ${PROJECT_BINARY_DIR}/bursarConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/bursarGrpc.cmake
        DESTINATION ${bursar_config_folder} COMPONENT client)

configure_file(${CMAKE_CURRENT_LIST_DIR}/bursar.pc.in ${PROJECT_BINARY_DIR}/bursar.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/bursar.pc DESTINATION ${bursar_pc_folder} COMPONENT client)
bursar_install_licence(client libbursar-client-dev)

# --- the programs ---

if(NOT BURSAR_CLIENT_ONLY)
  install(TARGETS bursar RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT command)
  bursar_install_licence(command bursar)
  install(TARGETS bursar-server RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT server)
  bursar_install_licence(server bursar-server)
endif()

# The Debian packages, one for each component: `cpack -G DEB` in the build folder, or ./dev package.
set(BURSAR_PACKAGE_CONTACT "Bursar maintainers <maintainers@bursar.example>" CACHE STRING
    "Who answers for the packages")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT ${BURSAR_PACKAGE_CONTACT})
set(CPACK_PACKAGE_VENDOR Bursar)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL client command server)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
# Whatever the builder's umask is.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
    GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

# An archive has no shared libraries that dpkg-shlibdeps could see.
string(JOIN ", " CPACK_DEBIAN_CLIENT_PACKAGE_DEPENDS
  "libgrpc++-dev (>= ${BURSAR_BUILT_WITH_GRPC}), libgrpc++-dev (<< ${BURSAR_BUILT_WITH_GRPC}.999)"
  "libprotobuf-dev (>= ${BURSAR_BUILT_WITH_PROTOBUF}), libprotobuf-dev (<< ${BURSAR_BUILT_WITH_PROTOBUF}.999)"
  "libabsl-dev (>= ${BURSAR_BUILT_WITH_ABSEIL}), libabsl-dev (<< ${BURSAR_BUILT_WITH_ABSEIL}.999)"
  "zlib1g-dev" "pkgconf | pkg-config")
set(CPACK_DEBIAN_CLIENT_PACKAGE_NAME libbursar-client-dev)
set(CPACK_DEBIAN_CLIENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_CLIENT_PACKAGE_SUGGESTS "libgmock-dev, bursar")
set(CPACK_COMPONENT_CLIENT_DESCRIPTION "budgets for LLM agents: the C++ client library
 Asks a Bursar server whether a model call may be made, and tells it what the
 call took. Static library, headers, CMake package and pkg-config file.")

set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME bursar)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMMAND_PACKAGE_DEPENDS tzdata)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SUGGESTS bursar-server)
set(CPACK_COMPONENT_COMMAND_DESCRIPTION "budgets for LLM agents: the command
 Checks, records, costs, budgets and prices of a Bursar server, from a shell.")

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME bursar-server)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION net)
set(CPACK_DEBIAN_SERVER_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS tzdata)
# For the embedded one; a server with --database-url needs none on its machine.
set(CPACK_DEBIAN_SERVER_PACKAGE_RECOMMENDS "postgresql (>= 15)")
set(CPACK_DEBIAN_SERVER_PACKAGE_SUGGESTS bursar)
set(CPACK_COMPONENT_SERVER_DESCRIPTION "budgets for LLM agents: the server
 The central purse of a fleet of LLM agents: one gRPC server, and one PostgreSQL
 behind it, which it runs by itself or is led to.")
include(CPack)

#ifndef QUANTD_SERVER_VERSION_H_
#define QUANTD_SERVER_VERSION_H_

namespace quantd {

const char* Version();   ///< of the project, "0.1.0"
const char* Compiler();  ///< name and version of the compiler that built this

}  // namespace quantd

#endif  // QUANTD_SERVER_VERSION_H_

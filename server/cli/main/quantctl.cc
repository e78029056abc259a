#include "server/cli/quantctl.h"

int main(int argc, char** argv) { return quantd::QuantctlMain(argc, argv, QUANTD_VERSION); }

#include "server/cli/quantd_main.h"

int main(int argc, char** argv) { return quantd::QuantdMain(argc, argv, QUANTD_VERSION); }

#include "audit/analysis.h"
void what_ifs_all(analysis *x) { audit_what_if_bandwidth(x->r, AUDIT_MEMORY, 2, "twice the memory bandwidth", ""); }

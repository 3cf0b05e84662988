/* eUICC Packages: ES10b.LoadEuiccPackage and ES10b.ProfileRollback, SGP.32 5.9.1 and 5.9.16. */
#ifndef SIM_EUICC_PACKAGE_H
#define SIM_EUICC_PACKAGE_H

#include "sim/euicc/es10.h"

extern const struct es10_row ve_package_rows[];        /* ends with tag 0 */

#endif

/* The specification's words for result codes, SGP.22 5.7 and SGP.32 5.9. */
#include "core/util.h"
#include "euicc/es10.h"

struct result {
	int code;
	const char *name;
};

#define OK { 0, "ok" }
#define UNDEFINED { 127, "undefinedError" }

static const struct result simple[] = { OK, UNDEFINED, { 0 } };
static const struct result enable[] = {
	OK, { 1, "iccidOrAidNotFound" }, { 2, "profileNotInDisabledState" },
	{ 3, "disallowedByPolicy" }, { 4, "wrongProfileReenabling" }, { 5, "catBusy" },
	{ 20, "rollbackNotAvailable" }, UNDEFINED, { 0 }
};
static const struct result disable[] = {
	OK, { 1, "iccidOrAidNotFound" }, { 2, "profileNotInEnabledState" },
	{ 3, "disallowedByPolicy" }, { 5, "catBusy" }, UNDEFINED, { 0 }
};
static const struct result delete[] = {
	OK, { 1, "iccidOrAidNotFound" }, { 2, "profileNotInDisabledState" },
	{ 3, "disallowedByPolicy" }, { 20, "rollbackNotAvailable" },
	{ 21, "returnFallbackProfile" }, UNDEFINED, { 0 }
};
static const struct result nickname[] = { OK, { 1, "iccidNotFound" }, UNDEFINED, { 0 } };
static const struct result profiles[] = {
	OK, { 1, "incorrectInputValues" }, { 11, "profileChangeOngoing" }, UNDEFINED, { 0 }
};
static const struct result reset[] = {
	OK, { 1, "nothingToDelete" }, { 5, "catBusy" }, { 104, "ecallActive" }, UNDEFINED, { 0 }
};
static const struct result removal[] = { OK, { 1, "nothingToDelete" }, UNDEFINED, { 0 } };
static const struct result authenticate[] = {
	OK, { 1, "invalidCertificate" }, { 2, "invalidSignature" }, { 3, "unsupportedCurve" },
	{ 4, "noSessionContext" }, { 5, "invalidOid" }, { 6, "euiccChallengeMismatch" },
	{ 7, "ciPKUnknown" }, UNDEFINED, { 0 }
};
static const struct result prepare[] = {
	OK, { 1, "invalidCertificate" }, { 2, "invalidSignature" }, { 3, "unsupportedCurve" },
	{ 4, "noSessionContext" }, { 5, "invalidTransactionId" }, UNDEFINED, { 0 }
};
static const struct result cancel[] = { OK, { 5, "invalidTransactionId" }, UNDEFINED, { 0 } };
static const struct result crl[] = {
	OK, { 1, "invalidSignature" }, { 2, "invalidCRLFormat" }, { 3, "notEnoughMemorySpace" },
	{ 4, "verificationKeyNotFound" }, { 5, "fresherCrlAlreadyLoaded" }, { 6, "baseCrlMissing" },
	UNDEFINED, { 0 }
};
static const struct result ipae[] = { OK, { 1, "notSupported" }, { 0 } };
static const struct result package[] = {
	OK, { 3, "invalidEid" }, { 4, "replayError" }, { 6, "counterValueOutOfRange" },
	{ 15, "sizeOverflow" }, { 104, "ecallActive" }, UNDEFINED, { 0 }
};
static const struct result certs[] = { OK, { 1, "invalidCiPKId" }, UNDEFINED, { 0 } };
static const struct result add_eim[] = {
	OK, { 1, "insufficientMemory" }, { 2, "associatedEimAlreadyExists" }, { 3, "ciPKUnknown" },
	{ 5, "invalidAssociationToken" }, { 6, "counterValueOutOfRange" }, { 7, "commandError" },
	UNDEFINED, { 0 }
};
static const struct result rollback[] = {
	OK, { 1, "rollbackNotAllowed" }, { 5, "catBusy" }, { 7, "commandError" }, UNDEFINED, { 0 }
};
static const struct result configure[] = {
	OK, { 1, "insufficientMemory" }, { 2, "associatedEimAlreadyExists" }, UNDEFINED, { 0 }
};
static const struct result immediate[] = {
	OK, { 1, "immediateEnableNotAvailable" }, { 4, "noSessionContext" }, { 5, "catBusy" },
	UNDEFINED, { 0 }
};
static const struct result enable_emergency[] = {
	OK, { 2, "profileNotInDisabledState" }, { 5, "catBusy" }, { 8, "ecallNotAvailable" },
	UNDEFINED, { 0 }
};
static const struct result disable_emergency[] = {
	OK, { 2, "profileNotInEnabledState" }, { 5, "catBusy" }, { 8, "ecallNotAvailable" },
	UNDEFINED, { 0 }
};
static const struct result fallback[] = {
	OK, { 2, "profileNotInDisabledState" }, { 5, "catBusy" }, { 6, "fallbackNotAvailable" },
	{ 7, "commandError" }, { 104, "ecallActive" }, UNDEFINED, { 0 }
};
static const struct result connectivity[] = {
	OK, { 1, "parametersNotAvailable" }, UNDEFINED, { 0 }
};

static const struct result *const tables[_ES10_FUNCTION_MAX] = {
	[ES10A_GET_ADDRESSES] = simple, [ES10A_SET_DEFAULT_DP] = simple,
	[ES10B_SET_DEFAULT_DP] = simple, [ES10B_GET_CHALLENGE] = simple,
	[ES10B_GET_INFO1] = simple, [ES10B_GET_INFO2] = simple,
	[ES10B_AUTHENTICATE_SERVER] = authenticate, [ES10B_PREPARE_DOWNLOAD] = prepare,
	[ES10B_LOAD_BPP] = simple, [ES10B_CANCEL_SESSION] = cancel,
	[ES10B_LIST_NOTIFICATION] = simple, [ES10B_RETRIEVE_NOTIFICATIONS] = simple,
	[ES10B_REMOVE_NOTIFICATION] = removal, [ES10B_LOAD_CRL] = crl, [ES10B_GET_RAT] = simple,
	[ES10B_IPAE_ACTIVATION] = ipae, [ES10B_LOAD_PACKAGE] = package, [ES10B_GET_EIMS] = simple,
	[ES10B_GET_CERTS] = certs, [ES10B_ADD_INITIAL_EIM] = add_eim,
	[ES10B_PROFILE_ROLLBACK] = rollback, [ES10B_CONFIGURE_IMMEDIATE] = configure,
	[ES10B_IMMEDIATE_ENABLE] = immediate, [ES10B_ENABLE_EMERGENCY] = enable_emergency,
	[ES10B_DISABLE_EMERGENCY] = disable_emergency, [ES10B_EXECUTE_FALLBACK] = fallback,
	[ES10B_RETURN_FROM_FALLBACK] = fallback, [ES10B_GET_CONNECTIVITY] = connectivity,
	[ES10B_MEMORY_RESET] = reset, [ES10C_GET_EID] = simple, [ES10C_GET_PROFILES] = profiles,
	[ES10C_ENABLE] = enable, [ES10C_DISABLE] = disable, [ES10C_DELETE] = delete,
	[ES10C_SET_NICKNAME] = nickname, [ES10C_MEMORY_RESET] = reset,
};

const char *es10_result_name(enum es10_function f, int code)
{
	for (const struct result *r = tables[f]; r->name; r++)
		if (r->code == code)
			return r->name;
	return "unknown";
}

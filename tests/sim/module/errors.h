/* Error numbers and their words, 27.007 9.2 and 27.005 3.2.5. */
#ifndef SIM_MODULE_ERRORS_H
#define SIM_MODULE_ERRORS_H

/* NULL: a number without words. */
const char *cme_words(int code);
const char *cms_words(int code);

enum {
	CME_NOT_ALLOWED = 3,
	CME_NOT_SUPPORTED = 4,
	CME_NO_SIM = 10,
	CME_PIN = 11,
	CME_PUK = 12,
	CME_SIM_FAILURE = 13,
	CME_SIM_BUSY = 14,
	CME_WRONG_PASSWORD = 16,
	CME_INDEX = 21,
	CME_NOT_FOUND = 22,
	CME_NO_SERVICE = 30,
	CME_PARAMETERS = 50,
	CME_UNKNOWN = 100,
	CME_PDP = 148,
};

enum {
	CMS_NOT_ALLOWED = 302,
	CMS_PDU = 304,
	CMS_TEXT = 305,
	CMS_NO_SIM = 310,
	CMS_PIN = 311,
	CMS_SIM_BUSY = 314,
	CMS_INDEX = 321,
	CMS_FULL = 322,
	CMS_NO_SERVICE = 331,
};

#endif

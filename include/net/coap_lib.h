/*
 * libcoap, loaded when the first eIM is spoken to over CoAP: with its DTLS library it takes as much
 * memory as all the rest of the daemon, which gateways without CoAP shall not pay for. Included instead
 * of <coap3/coap.h>; its functions are called by their own names.
 */
#ifndef NET_COAP_LIB_H
#define NET_COAP_LIB_H

#include <limits.h>     /* which its headers use and do not name */
#include <coap3/coap.h>

#define COAP_LIB_WHY_MAX 160

/* 0; -ENOENT: it is not installed, -ENOTSUP: not this version; and one line in why. */
int coap_lib_open(char why[COAP_LIB_WHY_MAX]);
/* The same from this file; nothing is done where it has been loaded. */
int coap_lib_load(const char *file, char why[COAP_LIB_WHY_MAX]);
/* Whether it could be; it is not kept. */
int coap_lib_look(const char *file, char why[COAP_LIB_WHY_MAX]);

#define COAP_LIB_FUNCTIONS \
	X(coap_add_data) \
	X(coap_add_option) \
	X(coap_add_token) \
	X(coap_address_init) \
	X(coap_cleanup) \
	X(coap_context_get_coap_fd) \
	X(coap_context_set_block_mode) \
	X(coap_delete_pdu) \
	X(coap_dtls_is_supported) \
	X(coap_dtls_set_log_level) \
	X(coap_encode_var_safe) \
	X(coap_free_context) \
	X(coap_get_data) \
	X(coap_get_tls_library_version) \
	X(coap_io_prepare_epoll) \
	X(coap_io_process) \
	X(coap_new_client_session_pki) \
	X(coap_new_client_session_psk2) \
	X(coap_new_context) \
	X(coap_new_message_id) \
	X(coap_opt_length) \
	X(coap_opt_value) \
	X(coap_option_iterator_init) \
	X(coap_option_next) \
	X(coap_pdu_get_code) \
	X(coap_pdu_get_mid) \
	X(coap_pdu_get_token) \
	X(coap_pdu_get_type) \
	X(coap_pdu_init) \
	X(coap_register_nack_handler) \
	X(coap_register_response_handler) \
	X(coap_send) \
	X(coap_session_get_addr_local) \
	X(coap_session_get_state) \
	X(coap_session_get_tls) \
	X(coap_session_set_ack_timeout) \
	X(coap_session_set_max_retransmit) \
	X(coap_session_set_mtu) \
	X(coap_session_set_nstart) \
	X(coap_set_log_handler) \
	X(coap_set_log_level) \
	X(coap_set_show_pdu_output) \
	X(coap_startup) \
	X(coap_ticks)

struct coap_lib {
#define X(f) __typeof__(f) *f;
	COAP_LIB_FUNCTIONS
#undef X
};

extern struct coap_lib coap_lib;

#ifndef COAP_LIB_OWN
#define coap_add_data (*coap_lib.coap_add_data)
#define coap_add_option (*coap_lib.coap_add_option)
#define coap_add_token (*coap_lib.coap_add_token)
#define coap_address_init (*coap_lib.coap_address_init)
#define coap_cleanup (*coap_lib.coap_cleanup)
#define coap_context_get_coap_fd (*coap_lib.coap_context_get_coap_fd)
#define coap_context_set_block_mode (*coap_lib.coap_context_set_block_mode)
#define coap_delete_pdu (*coap_lib.coap_delete_pdu)
#define coap_dtls_is_supported (*coap_lib.coap_dtls_is_supported)
#define coap_dtls_set_log_level (*coap_lib.coap_dtls_set_log_level)
#define coap_encode_var_safe (*coap_lib.coap_encode_var_safe)
#define coap_free_context (*coap_lib.coap_free_context)
#define coap_get_data (*coap_lib.coap_get_data)
#define coap_get_tls_library_version (*coap_lib.coap_get_tls_library_version)
#define coap_io_prepare_epoll (*coap_lib.coap_io_prepare_epoll)
#define coap_io_process (*coap_lib.coap_io_process)
#define coap_new_client_session_pki (*coap_lib.coap_new_client_session_pki)
#define coap_new_client_session_psk2 (*coap_lib.coap_new_client_session_psk2)
#define coap_new_context (*coap_lib.coap_new_context)
#define coap_new_message_id (*coap_lib.coap_new_message_id)
#define coap_opt_length (*coap_lib.coap_opt_length)
#define coap_opt_value (*coap_lib.coap_opt_value)
#define coap_option_iterator_init (*coap_lib.coap_option_iterator_init)
#define coap_option_next (*coap_lib.coap_option_next)
#define coap_pdu_get_code (*coap_lib.coap_pdu_get_code)
#define coap_pdu_get_mid (*coap_lib.coap_pdu_get_mid)
#define coap_pdu_get_token (*coap_lib.coap_pdu_get_token)
#define coap_pdu_get_type (*coap_lib.coap_pdu_get_type)
#define coap_pdu_init (*coap_lib.coap_pdu_init)
#define coap_register_nack_handler (*coap_lib.coap_register_nack_handler)
#define coap_register_response_handler (*coap_lib.coap_register_response_handler)
#define coap_send (*coap_lib.coap_send)
#define coap_session_get_addr_local (*coap_lib.coap_session_get_addr_local)
#define coap_session_get_state (*coap_lib.coap_session_get_state)
#define coap_session_get_tls (*coap_lib.coap_session_get_tls)
#define coap_session_set_ack_timeout (*coap_lib.coap_session_set_ack_timeout)
#define coap_session_set_max_retransmit (*coap_lib.coap_session_set_max_retransmit)
#define coap_session_set_mtu (*coap_lib.coap_session_set_mtu)
#define coap_session_set_nstart (*coap_lib.coap_session_set_nstart)
#define coap_set_log_handler (*coap_lib.coap_set_log_handler)
#define coap_set_log_level (*coap_lib.coap_set_log_level)
#define coap_set_show_pdu_output (*coap_lib.coap_set_show_pdu_output)
#define coap_startup (*coap_lib.coap_startup)
#define coap_ticks (*coap_lib.coap_ticks)
#endif

#endif

-- Asks sekisho about the client's certificate, and leaves in the transaction's variables what it said. haproxy.cfg uses them.

local SOCKET = "unix@/run/sekisho/http.sock"
local TIMEOUT = 2000 -- milliseconds
local RETRY_AFTER = "5" -- seconds, where sekisho says nothing

local function field(answer, name)
    local values = answer.headers and answer.headers[name]
    return values and values[0]
end

core.register_action("sekisho", { "http-req" }, function(txn)
    -- Only the certificate goes to sekisho, and nothing of what the client sent in its request.
    local certificate = txn.c:base64(txn.f:ssl_c_der())
    local headers = { host = { "sekisho" } }
    if certificate and certificate ~= "" then
        headers["x-client-cert"] = { certificate }
    end
    local ok, answer = pcall(function()
        return core.httpclient():get { url = "http://127.0.0.1/auth/front", dst = SOCKET, headers = headers, timeout = TIMEOUT }
    end)
    if not ok or not answer then
        answer = { status = 503 }
    end
    txn:set_var("txn.sekisho_status", answer.status)
    txn:set_var("txn.sekisho_verdict", field(answer, "sekisho-verdict") or "none")
    txn:set_var("txn.sekisho_advice", field(answer, "sekisho-advice") or "try-again")
    txn:set_var("txn.sekisho_retry_after", field(answer, "retry-after") or RETRY_AFTER)
end)

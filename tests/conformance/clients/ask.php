<?php
// SPDX-License-Identifier: MIT
// Asks a URL COUNT times with one client of PHP: ask.php curl|multi|stream URL COUNT TIMEOUT [UPLOAD]
// UPLOAD: each request is a POST of so many bytes.
// Prints a JSON list, one entry a request: [what it said (status and body, or the error's number and text), seconds].
[, $client, $url, $count, $timeout] = $argv;
$upload = isset($argv[5]) ? str_repeat('u', (int)$argv[5]) : null;

function curl_options($url, $timeout)
{
	global $upload;
	return [CURLOPT_URL => $url, CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT_MS => $timeout * 1000] +
		($upload === null ? [] : [CURLOPT_POSTFIELDS => $upload]);
}

function with_curl($url, $timeout)
{
	static $handle = null;
	$handle ??= curl_init();
	curl_setopt_array($handle, curl_options($url, $timeout));
	$body = curl_exec($handle);
	return $body === false ? 'error ' . curl_errno($handle) . ' ' . curl_error($handle) : curl_getinfo($handle, CURLINFO_HTTP_CODE) . " $body";
}

function with_multi($url, $timeout)
{
	static $multi = null;
	$multi ??= curl_multi_init();
	$handle = curl_init();
	curl_setopt_array($handle, curl_options($url, $timeout));
	curl_multi_add_handle($multi, $handle);
	do {
		curl_multi_exec($multi, $running);
		if ($running)
			curl_multi_select($multi, 1);
	} while ($running);
	$error = curl_multi_info_read($multi)['result'];
	$said = $error ? "error $error " . curl_error($handle) : curl_getinfo($handle, CURLINFO_HTTP_CODE) . ' ' . curl_multi_getcontent($handle);
	curl_multi_remove_handle($multi, $handle);
	return $said;
}

function with_stream($url, $timeout)
{
	global $upload;
	$post = $upload === null ? [] : ['method' => 'POST', 'content' => $upload, 'header' => 'Content-Type: text/plain'];
	$context = stream_context_create(['http' => ['timeout' => $timeout, 'ignore_errors' => true, 'protocol_version' => '1.1'] + $post]);
	error_clear_last();
	$body = @file_get_contents($url, false, $context);
	$said = ($http_response_header[0] ?? 'no answer') . ' ' . var_export($body, true);
	return $said . ' ' . (error_get_last()['message'] ?? '');
}

$said = [];
for ($i = 0; $i < (int)$count; $i++) {
	$began = hrtime(true);
	$answer = ("with_$client")($url, (float)$timeout);
	$said[] = [$answer, (hrtime(true) - $began) / 1e9];
}
echo json_encode($said), "\n";

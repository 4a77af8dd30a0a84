// SPDX-License-Identifier: MIT
// Asks a URL COUNT times with one client of Java that keeps its connection: Ask send|sendAsync|url URL COUNT TIMEOUT_S [UPLOAD]
// UPLOAD: each request is a POST of so many bytes.
// Prints a JSON list, one entry a request: [what the client said (status and body, or the error's class and text), seconds].
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.StringJoiner;

public class Ask {
	private static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

	private static byte[] upload;

	private static String explain(Throwable e) {
		String said = e.getClass().getSimpleName() + ": " + e.getMessage();
		// what lies behind a timeout depends on which thread was first
		return e.getCause() == null || e instanceof HttpTimeoutException ? said : said + " <- " + explain(e.getCause());
	}

	private static String ask(String client, URI uri, Duration timeout) throws Exception {
		if (client.equals("url"))
			return askUrl(uri, (int) timeout.toMillis());
		HttpRequest.Builder builder = HttpRequest.newBuilder(uri).timeout(timeout);
		HttpRequest request = (upload == null ? builder : builder.POST(HttpRequest.BodyPublishers.ofByteArray(upload))).build();
		HttpResponse.BodyHandler<String> text = HttpResponse.BodyHandlers.ofString();
		HttpResponse<String> answer = client.equals("send") ? CLIENT.send(request, text) : CLIENT.sendAsync(request, text).get();
		return answer.statusCode() + " " + answer.body();
	}

	private static String askUrl(URI uri, int timeoutMs) throws IOException {
		HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
		connection.setConnectTimeout(timeoutMs);
		connection.setReadTimeout(timeoutMs);
		if (upload != null) {
			connection.setDoOutput(true);
			connection.getOutputStream().write(upload);
		}
		int status = connection.getResponseCode();
		try (InputStream body = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
			return status + " " + (body == null ? "" : new String(body.readAllBytes()));
		}
	}

	/* One request to a server of our own: the first one of a virtual machine loads classes, for seconds when it is busy. */
	private static void warmUp(String client) throws Exception {
		try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
			Thread thread = new Thread(() -> {
				try (Socket socket = server.accept()) {
					socket.getInputStream().read(new byte[8192]);
					socket.getOutputStream().write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok".getBytes());
				} catch (IOException e) {
					throw new UncheckedIOException(e);
				}
			});
			thread.start();
			ask(client, URI.create("http://127.0.0.1:" + server.getLocalPort() + "/"), Duration.ofSeconds(30));
			thread.join();
		}
	}

	private static String quoted(String text) {
		return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\r", "\\r") + '"';
	}

	public static void main(String[] args) throws Exception {
		Duration timeout = Duration.ofMillis((long) (Double.parseDouble(args[3]) * 1000));
		warmUp(args[0]);
		upload = args.length > 4 ? "u".repeat(Integer.parseInt(args[4])).getBytes() : null;
		StringJoiner all = new StringJoiner(", ", "[", "]");
		for (int i = 0; i < Integer.parseInt(args[2]); i++) {
			long began = System.nanoTime();
			String said;
			try {
				said = ask(args[0], URI.create(args[1]), timeout);
			} catch (Exception e) {
				said = explain(e);
			}
			all.add("[" + quoted(said) + ", " + (System.nanoTime() - began) / 1e9 + "]");
		}
		System.out.println(all);
		System.exit(0);
	}
}

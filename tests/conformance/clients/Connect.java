// SPDX-License-Identifier: MIT
// One request with a connect timeout of half a second: Connect PORT -> what came of it, one word.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;

class Connect {
	public static void main(String[] args) throws Exception {
		HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofMillis(500)).build();
		HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + args[0] + "/")).build();
		try {
			client.send(request, BodyHandlers.ofString());
			System.out.println("ok");
		} catch (Exception e) {
			System.out.println(e.getClass().getSimpleName());
		}
	}
}

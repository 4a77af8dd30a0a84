// SPDX-License-Identifier: MIT
// One request by Java's HttpClient: java Get.java URL. Prints the status, or the classes of the exception and its causes.
import java.net.URI;
import java.net.http.*;

public class Get {
	public static void main(String[] args) throws Exception {
		try {
			var request = HttpRequest.newBuilder(URI.create(args[0])).build();
			System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
		} catch (java.io.IOException e) {
			for (Throwable t = e; t != null; t = t.getCause())
				System.out.println(t.getClass().getSimpleName());
		}
	}
}

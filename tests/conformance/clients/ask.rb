# SPDX-License-Identifier: MIT
# Asks a URL COUNT times with Ruby's Net::HTTP, which keeps its connection: ask.rb URL COUNT TIMEOUT [UPLOAD]
# UPLOAD: each request is a POST of so many bytes.
# Prints a JSON list, one entry a request: [what it said (status and body, or the error's class and text), seconds].
require 'json'
require 'net/http'

uri, count, timeout = URI(ARGV[0]), ARGV[1].to_i, ARGV[2].to_f

def open_client(uri, timeout)
  client = Net::HTTP.new(uri.hostname, uri.port, nil)
  client.open_timeout = client.read_timeout = timeout
  client.use_ssl = uri.scheme == 'https'
  client.keep_alive_timeout = 30
  client.start
end

client = nil
said = Array.new(count) do
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  begin
    client ||= open_client(uri, timeout)
    answer = ARGV[3] ? client.post(uri.path, 'u' * ARGV[3].to_i) : client.get(uri.path)
    told = "#{answer.code} #{answer.body}"
  rescue StandardError => e
    told = "#{e.class}: #{e.message}"
  end
  [told, Process.clock_gettime(Process::CLOCK_MONOTONIC) - began]
end
puts JSON.generate(said)

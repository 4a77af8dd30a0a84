# SPDX-License-Identifier: MIT
# Asks a URL COUNT times with one client of Perl that keeps its connection: ask.pl tiny|lwp URL COUNT TIMEOUT [UPLOAD]
# UPLOAD: each request is a POST of so many bytes.
# Prints a JSON list, one entry a request: [what it said (status and body, which holds the error's text), seconds].
use strict;
use warnings;
use JSON::PP;
use Time::HiRes 'time';

my ($client, $url, $count, $timeout, $upload) = @ARGV;
my $body = 'u' x ($upload // 0);

sub tiny {
	require HTTP::Tiny;
	my $http = HTTP::Tiny->new(timeout => $timeout, keep_alive => 1, proxy => undef);
	return sub { my $answer = $upload ? $http->post($url, {content => $body}) : $http->get($url); "$answer->{status} $answer->{content}" };
}

sub lwp {
	require LWP::UserAgent;
	my $http = LWP::UserAgent->new(timeout => $timeout, keep_alive => 1);
	return sub {
		my $answer = $upload ? $http->post($url, Content => $body) : $http->get($url);
		join ' ', $answer->code, $answer->decoded_content, map { "$_: " . $answer->header($_) } grep { $answer->header($_) } qw(Client-Aborted X-Died);
	};
}

my $ask = { tiny => \&tiny, lwp => \&lwp }->{$client}->();
my @said;
for (1 .. $count) {
	my $began = time;
	my $answer = $ask->();
	push @said, [$answer, time - $began];
}
print encode_json(\@said), "\n";

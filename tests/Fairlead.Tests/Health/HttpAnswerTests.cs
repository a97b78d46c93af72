using System.Text;
using Fairlead.Health;
using Fairlead.Health.Probes;

namespace Fairlead.Tests.Health;

/// <summary>What a GET over HTTP/1.1 is answered with, however it is cut.</summary>
public sealed class HttpAnswerTests
{
    private static readonly CheckSpec Plain = new() { Kind = CheckKind.Http };
    private static readonly CheckSpec Wants = Plain with { Body = "^pong$" };

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n", true, "status 200")]
    [InlineData("HTTP/1.0 204\n\n", true, "status 204")]
    [InlineData("HTTP/1.1 503 no\r\nContent-Length: 3\r\n\r\nno\n", false, "status 503")]
    [InlineData("HTTP/1.1 103 early\r\nLink: <a>\r\n\r\nHTTP/1.1 200 \r\nA: b\r\n folded\r\n\r\n", true, "status 200")]
    [InlineData("HTTP/2 200\r\n\r\n", false, "the answer is not HTTP/1.1")]
    [InlineData("HTTP/1.1 2000\r\n\r\n", false, "the answer is not HTTP/1.1")]
    [InlineData("SSH-2.0-OpenSSH_9.2p1\r\n", false, "the answer is not HTTP/1.1")]
    [InlineData("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", false, "a header of the answer is none")]
    [InlineData("HTTP/1.1 200 OK\r\n folded first\r\n\r\n", false, "a header of the answer is none")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, "a header of the answer is none")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", false,
        "a header of the answer is none")]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\r\n", false, "closed before the head of an answer was over")]
    [InlineData("", false, "closed before the head of an answer was over")]
    public void The_head_decides(string answer, bool healthy, string detail) => Same(Plain, answer, healthy, detail);

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npongping", true, "status 200, body matches \"^pong$\"")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\npong", true, "status 200, body matches \"^pong$\"")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 9\r\n\r\n"
        + "2;x=y\r\npo\r\n02\r\nng\r\n0\r\n", true, "status 200, body matches \"^pong$\"")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false,
        "status 200, no \"^pong$\" in the first 0 bytes of body")]
    [InlineData("HTTP/1.1 304 same\r\n\r\n", false, "status 304, no \"^pong$\" in the first 0 bytes of body")]
    [InlineData("HTTP/1.1 500 no\r\nContent-Length: 4\r\n\r\npong", false, "status 500")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\npong", false, "closed in the middle of the body")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npong\r\n", false,
        "closed in the middle of the body")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\npong\r\n", false,
        "a chunk of the body has no size")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\npong\r\n0\r\n", false,
        "a chunk of the body is longer than it says")]
    public void A_body_is_matched_where_it_is_wanted(string answer, bool healthy, string detail) =>
        Same(Wants, answer, healthy, detail);

    [Fact]
    public void A_head_and_a_body_have_a_limit()
    {
        byte[] endless = Encoding.Latin1.GetBytes($"HTTP/1.1 200 OK\r\n{new string('a', HttpAnswer.HeadBytesMax)}");
        Assert.Equal(Outcome.Failure, new HttpAnswer(Plain).Take(endless)!.Value.Outcome);

        var answer = new HttpAnswer(Wants);
        Assert.Null(answer.Take("HTTP/1.1 200 OK\r\n\r\n"u8));
        Assert.Null(answer.Take(new byte[HttpAnswer.BodyBytesMax - 1]));
        Assert.EndsWith($"in the first {HttpAnswer.BodyBytesMax} bytes of body",
            answer.Take(new byte[2])!.Value.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_answers_never_throw() => Property.Holds(20_000, random =>
    {
        byte[] bytes =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\npo\r\n02\r\nng\r\n0\r\n"u8.ToArray();
        for (int i = random.Next(4); i >= 0; i--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        var answer = new HttpAnswer(Wants);
        int cut = random.Next(bytes.Length);
        if (answer.Take(bytes.AsSpan(0, cut)) is null && answer.Take(bytes.AsSpan(cut)) is null) _ = answer.Over();
    });

    [Fact]
    public void A_request_says_whom_it_is_for_and_what_the_check_wants()
    {
        var check = new Check("web", new System.Net.IPEndPoint(System.Net.IPAddress.IPv6Loopback, 8080),
            Plain with { Path = "/ü?a=b c", Headers = [new HeaderLine("User-Agent", "probe/1"), new("X-A", "1")] });
        Assert.Equal(
            "GET /%C3%BC?a=b%20c HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: close\r\n"
                + "User-Agent: probe/1\r\nX-A: 1\r\n\r\n",
            Encoding.Latin1.GetString(HttpAnswer.Request(check)!));
        foreach (CheckSpec odd in new[] { Plain with { Host = "a\r\nb" }, Plain with { Path = "no slash" } })
            Assert.Null(HttpAnswer.Request(check with { Spec = odd }));
    }

    /// <summary>In one piece, cut in two anywhere, and byte by byte: the same verdict.</summary>
    private static void Same(CheckSpec spec, string text, bool healthy, string detail)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        for (int cut = 0; cut <= bytes.Length; cut++)
        {
            var answer = new HttpAnswer(spec);
            ProbeResult result = answer.Take(bytes.AsSpan(0, cut)) ?? answer.Take(bytes.AsSpan(cut)) ?? answer.Over();
            Assert.Equal((healthy, detail), (result.Success, result.Detail));
        }

        var slow = new HttpAnswer(spec);
        ProbeResult? judged = null;
        foreach (byte one in bytes) judged ??= slow.Take([one]);
        ProbeResult last = judged ?? slow.Over();
        Assert.Equal((healthy, detail), (last.Success, last.Detail));
    }
}

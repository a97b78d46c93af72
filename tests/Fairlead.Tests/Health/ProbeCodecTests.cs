using System.Net.Sockets;
using System.Text;
using Fairlead.Health;
using Fairlead.Health.Probes;

namespace Fairlead.Tests.Health;

/// <summary>What the probes write and read, byte by byte.</summary>
public class ProbeCodecTests
{
    [Fact]
    public void A_grpc_request_is_one_frame_with_the_services_name()
    {
        Assert.Equal(Convert.FromHexString("0000000000"), GrpcProbe.Frame(""));
        Assert.Equal(Convert.FromHexString("00000000060a0473686f70"), GrpcProbe.Frame("shop"));
        byte[] wide = GrpcProbe.Frame(new string('x', 300));
        Assert.Equal(Convert.FromHexString("000000012f0aac02"), wide[..8]);
    }

    [Theory]
    [InlineData("00000000020801", "0", true, "SERVING")]
    [InlineData("00000000020802", "0", false, "NOT_SERVING")]
    [InlineData("00000000020800", "0", false, "UNKNOWN")]
    [InlineData("0000000000", "0", false, "UNKNOWN")] // proto3 leaves zero out.
    [InlineData("00000000041205aabb", "0", false, "no HealthCheckResponse")] // Its length is wrong.
    [InlineData("00000000061202aabb0801", "0", true, "SERVING")] // A field of a later version is passed over.
    [InlineData("01000000020801", "0", false, "no HealthCheckResponse")] // Compressed, which nobody asked for.
    [InlineData("", "0", false, "no HealthCheckResponse")]
    [InlineData("00000000020801", "5", false, "grpc-status 5: no such service")]
    [InlineData("00000000020801", null, false, "grpc-status missing")] // Broken off before the trailers.
    public void A_grpc_answer_is_judged_by_its_code_and_status(string hex, string? code, bool healthy, string detail)
    {
        ProbeResult result = GrpcProbe.Judge(
            Convert.FromHexString(hex), code, code == "5" ? "no such service" : null, null);

        Assert.Equal(healthy, result.Success);
        Assert.StartsWith(detail, result.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_grpc_answers_are_judged_and_never_throw() => Property.Holds(5_000, random =>
    {
        byte[] answer = new byte[random.Next(20)];
        random.NextBytes(answer);
        if (answer.Length > 4 && random.Next(2) == 0) answer.AsSpan(0, 4).Clear();
        _ = GrpcProbe.Judge(answer, "0", null, null);
    });

    [Theory]
    [InlineData(AddressFamily.InterNetwork, 8, 0)]
    [InlineData(AddressFamily.InterNetworkV6, 128, 129)]
    public void An_echo_is_answered_by_its_own_text_alone(AddressFamily family, byte request, byte reply)
    {
        byte[] sent = IcmpEcho.Request(family);
        Assert.Equal(request, sent[0]);
        byte[] heard = [.. sent];
        Assert.False(IcmpEcho.IsReplyTo(sent, heard, family, isRaw: false)); // On loopback one hears one's own request.
        heard[0] = reply;
        Assert.True(IcmpEcho.IsReplyTo(sent, heard, family, isRaw: false));
        heard[^1] ^= 1;
        Assert.False(IcmpEcho.IsReplyTo(sent, heard, family, isRaw: false));
        heard[^1] ^= 1;
        byte[] withHeader = [0x45, .. new byte[19], .. heard];
        Assert.Equal(
            family == AddressFamily.InterNetwork, IcmpEcho.IsReplyTo(sent, withHeader, family, isRaw: true));
    }

    [Fact]
    public void An_ipv4_echos_checksum_is_right()
    {
        byte[] sent = IcmpEcho.Request(AddressFamily.InterNetwork);
        uint sum = 0;
        for (int i = 0; i < sent.Length; i += 2) sum += (uint)((sent[i] << 8) | sent[i + 1]);
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        Assert.Equal(0xffffu, sum); // RFC 1071 §1: over itself it sums to all ones.
    }

    [Fact]
    public void Damaged_echoes_are_no_answers_and_never_throw() => Property.Holds(5_000, random =>
    {
        AddressFamily family = random.Next(2) == 0 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
        byte[] heard = new byte[random.Next(64)];
        random.NextBytes(heard);
        Assert.False(IcmpEcho.IsReplyTo(IcmpEcho.Request(family), heard, family, random.Next(2) == 0));
    });

    [Theory]
    [InlineData(0, "fine\nmore", Outcome.Success, "OK: fine")]
    [InlineData(1, "DISK 81%", Outcome.Success, "WARNING: DISK 81%")]
    [InlineData(2, "", Outcome.Failure, "CRITICAL")]
    [InlineData(3, "no such option", Outcome.Unknown, "UNKNOWN: no such option")]
    [InlineData(4, "", Outcome.Failure, "exit code 4")]
    [InlineData(127, "setsid: no such file", Outcome.Unknown, "cannot be run: setsid: no such file")]
    [InlineData(139, "", Outcome.Failure, "ended by signal 11")]
    public void Exit_codes_are_those_of_nagios(int code, string output, Outcome outcome, string detail)
    {
        ProbeResult result = CommandProbe.Judge(code, Encoding.UTF8.GetBytes(output));

        Assert.Equal((outcome, detail, code), (result.Outcome, result.Detail, result.Code));
    }

    [Theory]
    [InlineData("dddd", 0, false)]
    [InlineData("uuud", 0, false)]
    [InlineData("uuuu", 0, true)]
    [InlineData("u??u", 0, null)]
    [InlineData("u??d", 0, false)]
    [InlineData("dddu", 1, true)]
    [InlineData("ddd?", 1, null)]
    [InlineData("dddd", 1, false)]
    [InlineData("uudd", 2, true)]
    [InlineData("uddd", 2, false)]
    [InlineData("ud??", 2, null)]
    public void A_composite_is_up_or_down_as_soon_as_its_parts_leave_no_choice(string parts, int need, bool? verdict) =>
        Assert.Equal(verdict, Composite.Verdict(
            parts.Select(part => new CheckState(part != '?', part == 'u', 0)), need));
}

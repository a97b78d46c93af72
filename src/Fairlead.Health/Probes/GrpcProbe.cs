using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Fairlead.Health.Probes;

/// <summary>
/// grpc.health.v1.Health/Check (github.com/grpc/grpc/blob/master/doc/health-checking.md) over HTTP/2. Two messages of
/// one field each need no library:
/// <code>
/// frame: compressed u8 (0) | length u32 | message
/// HealthCheckRequest:  field 1, string service
/// HealthCheckResponse: field 1, enum status: 0 UNKNOWN, 1 SERVING, 2 NOT_SERVING, 3 SERVICE_UNKNOWN
/// </code>
/// </summary>
internal static class GrpcProbe
{
    private const int FrameHeaderBytes = 5;
    private const int AnswerBytesMax = 1024;
    private const int Serving = 1;

    public static async Task<ProbeResult> AskAsync(HttpProbe http, Check check, CancellationToken stop)
    {
        var one = new HttpProbe.Try(check);
        using HttpRequestMessage request = HttpProbe.Request(
            HttpMethod.Post, one, check.Spec.Tls, "/grpc.health.v1.Health/Check", HttpVersion.Version20);
        request.Headers.TryAddWithoutValidation("TE", "trailers");
        request.Content = new ByteArrayContent(Frame(check.Spec.Service));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        using HttpResponseMessage response = await http.SendAsync(request, stop);
        if ((int)response.StatusCode is not 200 and int status)
            return ProbeResult.Of(false, $"HTTP status {status}") with { Code = status };
        byte[] answer = new byte[AnswerBytesMax];
        int length = 0, read = 0;
        await using (Stream stream = await response.Content.ReadAsStreamAsync(stop))
        {
            while (length < answer.Length && (read = await stream.ReadAsync(answer.AsMemory(length), stop)) > 0)
                length += read;
        }

        if (length == answer.Length) return ProbeResult.Of(false, $"an answer of more than {length} bytes");
        // An error without a message comes in the headers alone.
        string? code = First(response.TrailingHeaders, "grpc-status") ?? First(response.Headers, "grpc-status");
        string? message = First(response.TrailingHeaders, "grpc-message") ?? First(response.Headers, "grpc-message");
        return Judge(answer.AsMemory(0, length), code, message, one.Certificate);
    }

    internal static byte[] Frame(string service)
    {
        byte[] name = Encoding.UTF8.GetBytes(service);
        byte[] field = name.Length == 0 ? [] : [0x0a, .. Varint(name.Length), .. name];
        byte[] frame = new byte[FrameHeaderBytes + field.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), field.Length);
        field.CopyTo(frame, FrameHeaderBytes);
        return frame;
    }

    internal static ProbeResult Judge(
        ReadOnlyMemory<byte> answer, string? code, string? message, (string Detail, bool Lasts)? certificate)
    {
        if (code is not "0")
            return ProbeResult.Of(false, $"grpc-status {code ?? "missing"}{(message is null ? "" : $": {message}")}");
        if (Status(answer.Span) is not { } status)
            return ProbeResult.Of(false, $"no HealthCheckResponse in {answer.Length} bytes") with { Heard = answer };
        string name = status switch
        {
            0 => "UNKNOWN",
            Serving => "SERVING",
            2 => "NOT_SERVING",
            3 => "SERVICE_UNKNOWN",
            _ => $"status {status}",
        };
        return ProbeResult.Of(
            status == Serving && certificate is not { Lasts: false },
            certificate is { } seen ? $"{name}, {seen.Detail}" : name) with
        {
            Code = (int)Math.Min(status, int.MaxValue),
            Heard = answer,
        };
    }

    /// <summary>The first message's field 1; 0 when it is left out, as proto3 does with zero; null: broken.</summary>
    private static ulong? Status(ReadOnlySpan<byte> answer)
    {
        if (answer.Length < FrameHeaderBytes || answer[0] != 0) return null;
        uint length = BinaryPrimitives.ReadUInt32BigEndian(answer[1..]);
        ReadOnlySpan<byte> rest = answer[FrameHeaderBytes..];
        if (length > rest.Length) return null;
        rest = rest[..(int)length];
        ulong status = 0;
        while (rest.Length > 0)
        {
            if (TakeVarint(ref rest) is not { } tag) return null;
            switch (tag & 7)
            {
                case 0 when TakeVarint(ref rest) is { } value:
                    if (tag >> 3 == 1) status = value;
                    break;
                case 2 when TakeVarint(ref rest) is { } size && size <= (ulong)rest.Length:
                    rest = rest[(int)size..];
                    break;
                default:
                    return null;
            }
        }

        return status;
    }

    private static ulong? TakeVarint(ref ReadOnlySpan<byte> rest)
    {
        ulong value = 0;
        for (int i = 0; i < rest.Length && i < 10; i++)
        {
            value |= (ulong)(rest[i] & 0x7f) << (7 * i);
            if ((rest[i] & 0x80) != 0) continue;
            rest = rest[(i + 1)..];
            return value;
        }

        return null;
    }

    private static List<byte> Varint(int value)
    {
        List<byte> bytes = [];
        for (; value > 0x7f; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return bytes;
    }

    private static string? First(HttpResponseHeaders headers, string name) =>
        headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;
}

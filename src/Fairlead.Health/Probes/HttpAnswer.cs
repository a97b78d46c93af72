using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Fairlead.Health.Probes;

/// <summary>
/// The answer to one GET over HTTP/1.1, judged as its bytes come in (RFC 9112). A library's client costs five times the
/// processor time, and thousands are asked each second. The body is read as far as BodyBytesMax, and only where
/// somebody wants to match it.
/// </summary>
internal sealed class HttpAnswer(CheckSpec spec)
{
    public const int BodyBytesMax = 64 * 1024;
    public const int HeadBytesMax = 64 * 1024;

    private enum Part
    {
        StatusLine,
        Fields,
        ChunkSize,
        ChunkEnd,
        Sized,
        Chunk,
        UntilClose,
    }

    private static readonly SearchValues<byte> NameBytes = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private Part part;
    private ArrayBufferWriter<byte>? begun;
    private ArrayBufferWriter<byte>? body;
    private int headBytes;
    private int status;
    private bool hasFields;
    private bool isEncoded;
    private bool isChunked;
    private long? length;
    private long left;

    /// <summary>What the check's request is, as bytes; null: no request can hold its host or its path.</summary>
    public static byte[]? Request(Check check)
    {
        bool hasHost = check.Spec.Host is not { } host || Uri.CheckHostName(host) != UriHostNameType.Unknown;
        // As the library writes a path: what no request line can hold is escaped.
        if (!hasHost || !check.Spec.Path.StartsWith('/')
            || !Uri.TryCreate($"http://target.invalid{check.Spec.Path}", UriKind.Absolute, out Uri? uri)) return null;
        string path = uri.PathAndQuery;
        var text = new StringBuilder($"GET {path} HTTP/1.1\r\nHost: {HttpProbe.Authority(check, isTls: false)}\r\n");
        text.Append("Connection: close\r\n");
        if (!check.Spec.Headers.Any(header => header.Name.Equals("User-Agent", StringComparison.OrdinalIgnoreCase)))
            text.Append("User-Agent: fairlead\r\n");
        foreach (HeaderLine header in check.Spec.Headers)
            text.Append(CultureInfo.InvariantCulture, $"{header.Name}: {header.Value}\r\n");
        return Encoding.Latin1.GetBytes(text.Append("\r\n").ToString());
    }

    public static bool IsHealthy(CheckSpec spec, int status) => spec.Status.Count == 0
        ? status is >= 200 and < 400
        : spec.Status.Any(range => range.Contains(status));

    /// <summary>What comes of a status, and of a body where one is wanted.</summary>
    public static ProbeResult Verdict(CheckSpec spec, int status, ReadOnlyMemory<byte> body)
    {
        bool healthy = IsHealthy(spec, status);
        string detail = $"status {status}";
        if (healthy && spec.Body is { } wanted)
        {
            healthy = Patterns.Compile(wanted).IsMatch(Encoding.UTF8.GetString(body.Span));
            detail += healthy
                ? $", body matches \"{wanted}\""
                : $", no \"{wanted}\" in the first {body.Length.ToString(CultureInfo.InvariantCulture)} bytes of body";
        }

        return ProbeResult.Of(healthy, detail) with { Code = status, Heard = body };
    }

    /// <summary>Takes what has come; null: more must.</summary>
    public ProbeResult? Take(ReadOnlySpan<byte> heard)
    {
        while (!heard.IsEmpty)
        {
            ProbeResult? judged = part >= Part.Sized ? Data(ref heard) : Line(ref heard);
            if (judged is not null) return judged;
        }

        return null;
    }

    /// <summary>The backend has closed.</summary>
    public ProbeResult Over() => part switch
    {
        Part.UntilClose => Judged(),
        Part.StatusLine or Part.Fields => Fault("closed before the head of an answer was over"),
        _ => Fault("closed in the middle of the body"),
    };

    private ProbeResult? Line(ref ReadOnlySpan<byte> heard)
    {
        int end = heard.IndexOf((byte)'\n');
        ReadOnlySpan<byte> piece = end < 0 ? heard : heard[..end];
        heard = end < 0 ? default : heard[(end + 1)..];
        headBytes += piece.Length + 1;
        if (headBytes > HeadBytesMax) return Fault($"the head is longer than {HeadBytesMax} bytes");
        if (end < 0 || begun is { WrittenCount: > 0 }) (begun ??= new ArrayBufferWriter<byte>()).Write(piece);
        if (end < 0) return null;
        ReadOnlySpan<byte> line = begun is { WrittenCount: > 0 } ? begun.WrittenSpan : piece;
        if (line is [.., (byte)'\r']) line = line[..^1]; // RFC 9112 §2.2: a single LF ends a line too.
        ProbeResult? judged = Line(line);
        begun?.ResetWrittenCount();
        return judged;
    }

    private ProbeResult? Line(ReadOnlySpan<byte> line)
    {
        switch (part)
        {
            case Part.StatusLine:
                part = Part.Fields;
                return TryReadStatus(line) ? null : Fault("the answer is not HTTP/1.1");
            case Part.Fields when line.IsEmpty:
                return HeadEnds();
            case Part.Fields:
                return TryReadField(line) ? null : Fault("a header of the answer is none");
            case Part.ChunkSize:
                int digits = line.IndexOfAny((byte)';', (byte)' ');
                ReadOnlySpan<byte> size = digits < 0 ? line : line[..digits];
                if (!Utf8Parser.TryParse(size, out left, out int used, 'X') || used != size.Length || left < 0)
                    return Fault("a chunk of the body has no size");
                part = Part.Chunk;
                return left == 0 ? Judged() : null;
            default:
                if (!line.IsEmpty) return Fault("a chunk of the body is longer than it says");
                (part, headBytes) = (Part.ChunkSize, 0);
                return null;
        }
    }

    // RFC 9112 §4: HTTP/1.x, a space and three digits; the reason may be missing, and means nothing.
    private bool TryReadStatus(ReadOnlySpan<byte> line) =>
        line.Length >= 12 && line.StartsWith("HTTP/1."u8) && line[8] == ' '
        && (line.Length == 12 || line[12] == ' ')
        && Utf8Parser.TryParse(line[9..12], out status, out int used) && used == 3 && status >= 100;

    private bool TryReadField(ReadOnlySpan<byte> line)
    {
        // RFC 9112 §5.2: a line that goes on with the field before it.
        if (line[0] is (byte)' ' or (byte)'\t') return hasFields;
        hasFields = true;
        int colon = line.IndexOf((byte)':');
        if (colon <= 0 || line[..colon].ContainsAnyExcept(NameBytes)) return false;
        ReadOnlySpan<byte> name = line[..colon], value = line[(colon + 1)..].Trim(" \t"u8);
        if (Ascii.EqualsIgnoreCase(name, "Transfer-Encoding"u8))
        {
            // RFC 9112 §6.3: what does not end in chunks ends with the connection.
            ReadOnlySpan<byte> last = value[(value.LastIndexOf((byte)',') + 1)..].Trim(" \t"u8);
            (isEncoded, isChunked) = (true, Ascii.EqualsIgnoreCase(last, "chunked"u8));
        }
        else if (Ascii.EqualsIgnoreCase(name, "Content-Length"u8))
        {
            bool read = Utf8Parser.TryParse(value, out long given, out int used) && used == value.Length && given >= 0;
            if (!read || (length is { } said && said != given)) return false;
            length = given;
        }

        return true;
    }

    private ProbeResult? HeadEnds()
    {
        // RFC 9110 §15.2: what comes before the answer, however often. 101 ends what we can read.
        if (status is < 200 and not 101)
        {
            (part, hasFields, isEncoded, isChunked, length) = (Part.StatusLine, false, false, false, null);
            return null;
        }

        bool hasBody = status is not (101 or 204 or 304) && (isEncoded || length != 0);
        if (!hasBody || spec.Body is null || !IsHealthy(spec, status)) return Judged();
        part = isChunked ? Part.ChunkSize : isEncoded || length is null ? Part.UntilClose : Part.Sized;
        left = part == Part.Sized ? length!.Value : long.MaxValue;
        headBytes = 0;
        body = new ArrayBufferWriter<byte>();
        return null;
    }

    private ProbeResult? Data(ref ReadOnlySpan<byte> heard)
    {
        int taken = (int)Math.Min(Math.Min(heard.Length, left), BodyBytesMax - body!.WrittenCount);
        body.Write(heard[..taken]);
        heard = heard[taken..];
        left -= taken;
        if (body.WrittenCount == BodyBytesMax || (left == 0 && part == Part.Sized)) return Judged();
        if (left == 0) part = Part.ChunkEnd;
        return null;
    }

    private ProbeResult Judged() => Verdict(spec, status, body?.WrittenMemory ?? default);

    private static ProbeResult Fault(string detail) => ProbeResult.Of(false, detail);
}

using System.Text;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>A zone that was read, or why there is none: Zone is null when there is any problem.</summary>
public sealed record MasterFileResult(Zone? Zone, IReadOnlyList<ZoneProblem> Problems);

/// <summary>
/// Reads a zone's master file (RFC 1035 §5, $TTL RFC 2308 §4, $INCLUDE, and BIND's $GENERATE) and reports every fault
/// in one pass, each where it stands.
/// </summary>
public sealed partial class MasterFile
{
    /// <summary>A file with more faults than this is not a zone file; the rest would only scroll past.</summary>
    public const int ProblemsMax = 500;

    /// <summary>How deep files may include each other.</summary>
    public const int IncludeDepthMax = 16;

    /// <summary>How many records one $GENERATE may make: a /16 of reverse names, and some.</summary>
    public const int GenerateMax = 100_000;

    private readonly ZoneBuilder builder;
    private readonly RdataReader rdata = new();
    private readonly List<string> files = [];
    private readonly List<(int File, ZoneProblem Problem)> problems = [];
    private readonly Stack<string> including = new();
    private readonly Action<string>? beforeIncluded;
    private byte[] owner = [];
    private int file;
    private DnsName origin;
    private uint? defaultTtl;
    private uint? lastTtl;

    private MasterFile(DnsName origin, Action<string>? beforeIncluded)
    {
        this.origin = origin;
        this.beforeIncluded = beforeIncluded;
        builder = new ZoneBuilder(origin);
    }

    /// <summary>Reads the text; `file` is the name that problems carry and that $INCLUDE is relative to.</summary>
    public static MasterFileResult Read(string file, DnsName origin, string text) =>
        Read(file, origin, Encoding.UTF8.GetBytes(text));

    /// <summary>
    /// Reads the bytes, in UTF-8; other bytes stand for themselves in strings. `beforeIncluded` hears the path of each
    /// file that is included, just before it is read.
    /// </summary>
    public static MasterFileResult Read(
        string file, DnsName origin, ReadOnlyMemory<byte> text, Action<string>? beforeIncluded = null)
    {
        var reader = new MasterFile(origin, beforeIncluded);
        reader.ReadAll(file, text);
        var checks = new ZoneChecks(reader.builder, reader.Report);
        checks.CheckOutside();
        ZoneData data = reader.builder.Build();
        checks.Check(data);
        List<ZoneProblem> problems =
        [
            .. reader.problems.OrderBy(p => p.File).ThenBy(p => p.Problem.Line).ThenBy(p => p.Problem.Column)
                .Select(p => p.Problem),
        ];
        return new MasterFileResult(problems.Count == 0 ? new Zone(origin, data) : null, problems);
    }

    /// <summary>Reads the file. One that cannot be read is a problem at line 0.</summary>
    public static MasterFileResult ReadFile(string path, DnsName origin, Action<string>? beforeIncluded = null)
    {
        try
        {
            return Read(path, origin, File.ReadAllBytes(path), beforeIncluded);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new MasterFileResult(null, [new ZoneProblem(path, 0, 0, $"cannot be read: {fault.Message}")]);
        }
    }

    /// <summary>Prints the zone so that Read gives it back: the SOA first, names absolute, owners in order.</summary>
    public static string Print(Zone zone)
    {
        var text = new StringWriter();
        Write(zone, text);
        return text.ToString();
    }

    /// <summary>As Print, record by record.</summary>
    public static void Write(Zone zone, TextWriter to)
    {
        foreach (RRset set in zone.Sets)
        {
            for (int i = 0; i < set.Count; i++) WriteRecord(to, set, set.Type, set[i]);
            for (int i = 0; i < set.SignatureCount; i++) WriteRecord(to, set, RecordType.Rrsig, set.Signature(i));
        }
    }

    private static void WriteRecord(TextWriter to, RRset set, RecordType type, ReadOnlySpan<byte> data) => to.Write(
        $"{set.Owner}\t{set.TtlSeconds}\tIN\t{RecordTypes.NameOf(type)}\t{RdataText.Print(type, data)}\n");

    private void ReadAll(string name, ReadOnlyMemory<byte> text)
    {
        int outer = file;
        file = files.Count;
        files.Add(name);
        including.Push(Path.GetFullPath(name));
        // Some editors begin a file with this mark (RFC 3629 §6); it is no part of the first name.
        if (text.Span.StartsWith("\ufeff"u8)) text = text[3..];
        ReadEntries(new MasterLexer(text, Report));
        including.Pop();
        file = outer;
    }

    private void ReadEntries(MasterLexer lexer)
    {
        while (problems.Count < ProblemsMax && lexer.Next())
        {
            MasterToken first = lexer.Words[0];
            bool directive = !first.Quoted && !lexer.StartsBlank && lexer.TextOf(first) is [(byte)'$', ..];
            if (directive) ReadDirective(lexer, first);
            else ReadRecord(lexer);
        }
    }

    private void ReadDirective(MasterLexer lexer, MasterToken directive)
    {
        string name = lexer.StringOf(directive).ToUpperInvariant();
        MasterToken? value = lexer.Words.Count > 1 ? lexer.Words[1] : null;
        int wordsMax = name switch { "$ORIGIN" or "$TTL" => 2, "$INCLUDE" => 3, "$GENERATE" => int.MaxValue, _ => 0 };
        if (wordsMax == 0) Report(directive, $"{lexer.StringOf(directive)} is not supported");
        else if (value is null) Report(directive, $"{name} needs a value");
        else if (lexer.Words.Count > wordsMax)
            Report(lexer.Words[wordsMax], $"'{lexer.StringOf(lexer.Words[wordsMax])}' is one word too many");
        else if (name == "$INCLUDE") Include(lexer, value.Value);
        else if (name == "$GENERATE") Generate(lexer, directive);
        else if (name == "$ORIGIN") origin = ReadName(lexer, value.Value) ?? origin;
        else if (RdataText.TryTtl(lexer.StringOf(value.Value), out uint ttl)) defaultTtl = ttl;
        else Report(value.Value, $"'{lexer.StringOf(value.Value)}' is not a TTL");
    }

    private DnsName? ReadName(MasterLexer lexer, MasterToken token)
    {
        if (DnsName.TryParse(lexer.StringOf(token), origin, out DnsName name)) return name;
        Report(token, $"'{lexer.StringOf(token)}' is not a domain name");
        return null;
    }

    // RFC 1035 §5.1: origin and owner of the file outside hold again after it; so does its $TTL.
    private void Include(MasterLexer lexer, MasterToken value)
    {
        string name = lexer.StringOf(value);
        if (name.Contains('\0', StringComparison.Ordinal))
        {
            Report(value, "no file's name holds a zero byte");
            return;
        }

        string path = Path.Combine(Path.GetDirectoryName(files[file]) ?? "", name);
        DnsName? given = lexer.Words.Count > 2 ? ReadName(lexer, lexer.Words[2]) : origin;
        if (given is null) return;
        string fault;
        if (including.Contains(Path.GetFullPath(path))) fault = "includes itself";
        else if (including.Count >= IncludeDepthMax) fault = $"is included {IncludeDepthMax} files deep";
        else if (files.Count > ushort.MaxValue) fault = "is one file too many";
        else if (!TryReadIncluded(path, out byte[] bytes, out fault))
            fault = $"cannot be read: {fault}";
        else
        {
            (DnsName outerOrigin, byte[] outerOwner, uint? outerDefault, uint? outerLast) =
                (origin, [.. owner], defaultTtl, lastTtl);
            origin = given;
            ReadAll(path, bytes);
            (origin, owner, defaultTtl, lastTtl) = (outerOrigin, outerOwner, outerDefault, outerLast);
            return;
        }

        Report(value, $"{path} {fault}");
    }

    private bool TryReadIncluded(string path, out byte[] bytes, out string fault)
    {
        (bytes, fault) = ([], "");
        beforeIncluded?.Invoke(path);
        try
        {
            bytes = File.ReadAllBytes(path);
            return true;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            fault = problem.Message;
            return false;
        }
    }

    private void ReadRecord(MasterLexer lexer)
    {
        int next = 0;
        MasterToken first = lexer.Words[0];
        if (!lexer.StartsBlank)
        {
            next = 1;
            if (!TryReadOwner(lexer.TextOf(first)))
            {
                // The owner holds for the lines below too; without it they would each be a fault of their own.
                owner = [];
                Report(first, $"'{lexer.StringOf(first)}' is not a domain name");
                return;
            }
        }

        if (owner.Length == 0)
        {
            if (problems.Count == 0) Report(first, "no owner name stands on or above this line");
            return;
        }

        uint? ttl = ReadTtlAndClass(lexer, ref next);
        if (next >= lexer.Words.Count)
        {
            Report(lexer.Words[^1], "the record's type is missing");
            return;
        }

        MasterToken typeWord = lexer.Words[next++];
        if (!TryReadType(lexer.TextOf(typeWord), out RecordType type))
        {
            Report(typeWord, $"'{lexer.StringOf(typeWord)}' is not a record type");
            return;
        }

        bool read = rdata.Read(type, lexer, next, origin, out (int Word, string Message) problem);
        if (!read) Report(lexer.Words[Math.Min(problem.Word, lexer.Words.Count - 1)], problem.Message);
        lastTtl = ttl ?? lastTtl;
        uint? effective = ttl ?? defaultTtl ?? lastTtl;
        if (effective is null) Report(typeWord, "no TTL: write one here, or a $TTL line above");
        RecordPlace place = generating
            ?? new RecordPlace((ushort)file, (ushort)Math.Min(first.Column, ushort.MaxValue), typeWord.Line);
        if (!builder.Add(owner, type, effective ?? 0, read ? rdata.Rdata : default, !read, place))
            Report(first, "the zone is over 2 GiB");
    }

    private bool TryReadOwner(ReadOnlySpan<byte> text)
    {
        Span<byte> wire = stackalloc byte[DnsName.WireBytesMax + 1];
        if (!NameText.TryRead(text, origin.Wire, wire, out int length)) return false;
        if (!owner.AsSpan().SequenceEqual(wire[..length])) owner = wire[..length].ToArray();
        return true;
    }

    private static bool TryReadType(ReadOnlySpan<byte> text, out RecordType type)
    {
        type = default;
        Span<char> chars = stackalloc char[16];
        return text.Length <= chars.Length
            && RecordTypes.TryParse(chars[..Encoding.Latin1.GetChars(text, chars)], out type);
    }

    // TTL and class stand in either order, and either may be missing.
    private uint? ReadTtlAndClass(MasterLexer lexer, ref int next)
    {
        uint? ttl = null;
        for (bool classRead = false; next < lexer.Words.Count; next++)
        {
            ReadOnlySpan<byte> text = lexer.TextOf(lexer.Words[next]);
            if (!classRead && Ascii.EqualsIgnoreCase(text, "IN"u8))
            {
                classRead = true;
            }
            else if (ttl is null && text is [>= (byte)'0' and <= (byte)'9', ..])
            {
                string word = lexer.StringOf(lexer.Words[next]);
                if (!RdataText.TryTtl(word, out uint seconds)) Report(lexer.Words[next], $"'{word}' is not a TTL");
                ttl = seconds;
            }
            else
            {
                return ttl;
            }
        }

        return ttl;
    }

    private void Report(MasterToken token, string message) => Report(token.Line, token.Column, message);

    private void Report(int line, int column, string message) => Report(
        generating ?? new RecordPlace((ushort)file, (ushort)Math.Min(column, ushort.MaxValue), line), message);

    private void Report(RecordPlace place, string message) =>
        problems.Add((place.File, new ZoneProblem(files[place.File], place.Line, place.Column, message)));
}

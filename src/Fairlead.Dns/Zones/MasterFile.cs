using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>A zone that was read, or why there is none: Zone is null when there is any problem.</summary>
public sealed record MasterFileResult(Zone? Zone, IReadOnlyList<ZoneProblem> Problems);

/// <summary>
/// Reads a zone's master file (RFC 1035 §5, $TTL RFC 2308 §4) and reports every fault in one pass. $INCLUDE and
/// $GENERATE are not read: a zone is one file that says what it serves.
/// </summary>
public sealed class MasterFile
{
    /// <summary>A file with more faults than this is not a zone file; the rest would only scroll past.</summary>
    public const int ProblemsMax = 500;

    private readonly string file;
    private readonly List<ZoneProblem> problems = [];
    private readonly ZoneBuilder builder;
    private DnsName origin;
    private DnsName? lastOwner;
    private uint? defaultTtl;
    private uint? lastTtl;

    private MasterFile(string file, DnsName origin)
    {
        this.file = file;
        this.origin = origin;
        builder = new ZoneBuilder(origin);
    }

    /// <summary>Reads the text; `file` is only the name that problems carry.</summary>
    public static MasterFileResult Read(string file, DnsName origin, string text)
    {
        var reader = new MasterFile(file, origin);
        reader.ReadAll(text);
        var checks = new ZoneChecks(
            reader.builder, (place, message) => reader.Report(place.Line, place.Column, message));
        checks.CheckOutside();
        ZoneData data = reader.builder.Build();
        checks.Check(data);
        reader.problems.Sort((one, other) => (one.Line, one.Column).CompareTo((other.Line, other.Column)));
        return new MasterFileResult(reader.problems.Count == 0 ? new Zone(origin, data) : null, reader.problems);
    }

    private void ReadAll(string text)
    {
        var lexer = new MasterLexer(text, Report);
        while (problems.Count < ProblemsMax && lexer.Next() is { } entry)
        {
            if (entry.Words[0] is { Quoted: false, Text: ['$', ..] } directive && !entry.StartsBlank)
                ReadDirective(directive, entry.Words);
            else
                ReadRecord(entry);
        }
    }

    private void ReadDirective(MasterToken directive, IReadOnlyList<MasterToken> words)
    {
        string name = directive.Text.ToUpperInvariant();
        MasterToken? value = words.Count > 1 ? words[1] : null;
        if (name is not ("$ORIGIN" or "$TTL")) Report(directive, $"{directive.Text} is not supported");
        else if (value is null) Report(directive, $"{name} needs a value");
        else if (words.Count > 2) Report(words[2], $"'{words[2].Text}' is one word too many");
        else if (name == "$TTL" && !RdataText.TryTtl(value.Text, out _)) Report(value, $"'{value.Text}' is not a TTL");
        else if (name == "$TTL") defaultTtl = RdataText.TryTtl(value.Text, out uint ttl) ? ttl : null;
        else if (DnsName.TryParse(value.Text, origin, out DnsName given)) origin = given;
        else Report(value, $"'{value.Text}' is not a domain name");
    }

    private void ReadRecord(MasterEntry entry)
    {
        int next = 0;
        MasterToken first = entry.Words[0];
        if (!entry.StartsBlank)
        {
            next = 1;
            if (!DnsName.TryParse(first.Text, origin, out DnsName owner))
            {
                // The owner holds for the lines below too; without it they would each be a fault of their own.
                lastOwner = null;
                Report(first, $"'{first.Text}' is not a domain name");
                return;
            }

            lastOwner = owner;
        }

        if (lastOwner is null)
        {
            if (problems.Count == 0) Report(first, "no owner name stands on or above this line");
            return;
        }

        uint? ttl = ReadTtlAndClass(entry.Words, ref next);
        if (next >= entry.Words.Count)
        {
            Report(entry.Words[^1], "the record's type is missing");
            return;
        }

        MasterToken typeWord = entry.Words[next++];
        if (!RecordTypes.TryParse(typeWord.Text, out RecordType type))
        {
            Report(typeWord, $"'{typeWord.Text}' is not a record type");
            return;
        }

        List<MasterToken> words = [.. entry.Words.Skip(next)];
        byte[]? rdata = RdataText.Read(type, words, origin, out (int Word, string Message) problem);
        if (rdata is null) Report(problem.Word < words.Count ? words[problem.Word] : entry.Words[^1], problem.Message);
        lastTtl = ttl ?? lastTtl;
        uint? effective = ttl ?? defaultTtl ?? lastTtl;
        if (effective is null) Report(typeWord, "no TTL: write one here, or a $TTL line above");
        var place = new RecordPlace(0, (ushort)Math.Min(first.Column, ushort.MaxValue), typeWord.Line);
        if (!builder.Add(lastOwner.Wire, type, effective ?? 0, rdata ?? [], rdata is null, place))
            Report(first, "the zone is over 2 GiB");
    }

    // TTL and class stand in either order, and either may be missing.
    private uint? ReadTtlAndClass(IReadOnlyList<MasterToken> words, ref int next)
    {
        uint? ttl = null;
        for (bool classRead = false; next < words.Count; next++)
        {
            string text = words[next].Text;
            if (!classRead && text.Equals("IN", StringComparison.OrdinalIgnoreCase))
            {
                classRead = true;
            }
            else if (ttl is null && char.IsAsciiDigit(text.FirstOrDefault()))
            {
                if (!RdataText.TryTtl(text, out uint seconds)) Report(words[next], $"'{text}' is not a TTL");
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

    private void Report(int line, int column, string message) => problems.Add(new(file, line, column, message));
}

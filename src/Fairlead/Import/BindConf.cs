using System.Text;

namespace Fairlead.Import;

/// <summary>A word, a quoted text, or a block of statements: exactly one of Word and Block is there.</summary>
internal sealed record BindPart(TextPlace At, string? Word, bool IsQuoted, BindBlock? Block);

/// <summary>What stands up to a semicolon. Elements of lists are statements too.</summary>
internal sealed record BindStatement(TextPlace At, IReadOnlyList<BindPart> Parts)
{
    /// <summary>Its first word, or "" when it begins with a block.</summary>
    public string Key => Parts[0].Word ?? "";

    /// <summary>The word behind the key, or null.</summary>
    public string? Value => Parts.Count > 1 ? Parts[1].Word : null;

    public BindBlock? Block => Parts.FirstOrDefault(part => part.Block is not null)?.Block;

    /// <summary>The word behind this one: "port" of "listen-on port 5353 { any; }".</summary>
    public BindPart? After(string word)
    {
        for (int i = 1; i + 1 < Parts.Count; i++)
        {
            if (Parts[i].Word == word && Parts[i + 1].Word is not null) return Parts[i + 1];
        }

        return null;
    }

    /// <summary>As it was written, in short: what an operator looks for in his file.</summary>
    public override string ToString() =>
        string.Join(' ', Parts.Select(part => part.Block is null ? part.Word : "{...}"));
}

internal sealed record BindBlock(TextPlace At, IReadOnlyList<BindStatement> Statements)
{
    public BindStatement? Find(params ReadOnlySpan<string> keys)
    {
        foreach (BindStatement statement in Statements)
        {
            if (keys.Contains(statement.Key)) return statement;
        }

        return null;
    }
}

/// <summary>
/// Reads the language of named.conf(5): statements that end in a semicolon, blocks in braces, comments of three kinds
/// (/* */, // and #), and include. What the words mean is others' business. Faults are ImportExceptions.
/// </summary>
internal sealed class BindConf
{
    private const int DepthMax = 32;
    private const int IncludeDepthMax = 16;

    private readonly string file;
    private readonly string text;
    private readonly int depth;
    private readonly Folder folder;
    private int at;
    private int line = 1;
    private int lineStart;

    private BindConf(string file, string text, int depth, Folder folder) =>
        (this.file, this.text, this.depth, this.folder) = (file, text, depth, folder);

    private TextPlace Here => new(file, line, at - lineStart + 1);

    public static BindBlock ReadFile(string path) =>
        ReadFile(path, new TextPlace(path, 1, 1), 0,
            new Folder { Path = Path.GetDirectoryName(Path.GetFullPath(path))! });

    public static BindBlock Read(string file, string text) =>
        new BindConf(file, text, 0, new Folder { Path = "" }).ReadTop();

    private static BindBlock ReadFile(string path, TextPlace asked, int depth, Folder folder)
    {
        if (depth > IncludeDepthMax) throw new ImportException(asked, "includes go too deep");
        try
        {
            return new BindConf(path, File.ReadAllText(path), depth, folder).ReadTop();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ImportException(asked, $"{path} cannot be read: {fault.Message}");
        }
    }

    private BindBlock ReadTop()
    {
        TextPlace start = Here;
        List<BindStatement> statements = ReadStatements(0);
        if (at < text.Length) throw new ImportException(Here, "expected a statement, found \"}\"");
        return new BindBlock(start, statements);
    }

    // Up to the end of the file or a closing brace, which is left.
    private List<BindStatement> ReadStatements(int level)
    {
        if (level > DepthMax) throw new ImportException(Here, "blocks go too deep");
        var statements = new List<BindStatement>();
        for (SkipBlank(); at < text.Length && text[at] != '}'; SkipBlank())
        {
            BindStatement statement = ReadStatement(level);
            if (statement is { Key: "include", Parts: [_, { Word: { } name }] })
                foreach (BindBlock included in Included(name, statement.At)) statements.AddRange(included.Statements);
            else statements.Add(statement);
            // named changes into the folder as soon as it reads this: later includes are relative to it.
            if (level == 1 && statement is { Key: "directory", Parts: [_, { Word: { } path, IsQuoted: true }] })
                folder.Path = Path.Combine(folder.Path, path);
        }

        return statements;
    }

    private BindStatement ReadStatement(int level)
    {
        TextPlace start = Here;
        if (text[at] == ';') throw new ImportException(start, "expected a statement, found \";\"");
        var parts = new List<BindPart>();
        for (SkipBlank(); at < text.Length && text[at] is not (';' or '}'); SkipBlank())
            parts.Add(ReadPart(level));
        if (at >= text.Length || text[at] != ';')
            throw new ImportException(Here, $"expected \";\" after {Shown(parts[^1])}");
        at++;
        // Only a few lists have words behind a block, and none of them stands at the top.
        int block = level == 0 ? parts.FindIndex(part => part.Block is not null) : -1;
        if (block >= 0 && block + 1 < parts.Count)
            throw new ImportException(parts[block + 1].At, "expected \";\" after the block");
        return new BindStatement(start, parts);
    }

    private static string Shown(BindPart part) => part.Block is null ? $"\"{part.Word}\"" : "the block";

    private BindPart ReadPart(int level)
    {
        TextPlace start = Here;
        switch (text[at])
        {
            case '{':
                at++;
                List<BindStatement> inner = ReadStatements(level + 1);
                if (at >= text.Length) throw new ImportException(start, "this block is never closed");
                at++;
                return new BindPart(start, null, false, new BindBlock(start, inner));
            case '"':
                return new BindPart(start, ReadQuoted(start), true, null);
            case '!':
                at++;
                return new BindPart(start, "!", false, null);
            default:
                int from = at;
                while (at < text.Length && !char.IsWhiteSpace(text[at]) && !"{};\"".Contains(text[at]) && !IsComment())
                    at++;
                return new BindPart(start, text[from..at], false, null);
        }
    }

    private string ReadQuoted(TextPlace start)
    {
        var read = new StringBuilder();
        for (at++; at < text.Length && text[at] is not ('"' or '\n'); at++)
        {
            if (text[at] == '\\' && at + 1 < text.Length && text[at + 1] == '"') at++;
            read.Append(text[at]);
        }

        if (at >= text.Length || text[at] != '"') throw new ImportException(start, "this text is never closed");
        at++;
        return read.ToString();
    }

    private IEnumerable<BindBlock> Included(string name, TextPlace asked)
    {
        string path = Path.Combine(folder.Path, name);
        if (!path.Contains('*') && !path.Contains('?')) return [ReadFile(path, asked, depth + 1, folder)];
        string around = Path.GetDirectoryName(path)!;
        string[] files = Directory.Exists(around) ? Directory.GetFiles(around, Path.GetFileName(path)) : [];
        if (files.Length == 0) throw new ImportException(asked, $"no file fits {path}");
        return [.. files.Order(StringComparer.Ordinal).Select(one => ReadFile(one, asked, depth + 1, folder))];
    }

    private bool IsComment() => text[at] == '#'
        || (text[at] == '/' && at + 1 < text.Length && text[at + 1] is '/' or '*');

    private void SkipBlank()
    {
        while (at < text.Length)
        {
            if (text[at] == '\n') (line, lineStart) = (line + 1, at + 1);
            if (char.IsWhiteSpace(text[at])) at++;
            else if (!IsComment()) return;
            else if (text[at] == '/' && text[at + 1] == '*') SkipLongComment();
            else while (at < text.Length && text[at] != '\n') at++;
        }
    }

    private void SkipLongComment()
    {
        TextPlace start = Here;
        int end = text.IndexOf("*/", at + 2, StringComparison.Ordinal);
        if (end < 0) throw new ImportException(start, "this comment is never closed");
        for (; at < end; at++)
        {
            if (text[at] == '\n') (line, lineStart) = (line + 1, at + 1);
        }

        at = end + 2;
    }

    /// <summary>Where includes are looked for; one for all files that are read together.</summary>
    private sealed class Folder
    {
        public required string Path { get; set; }
    }
}

namespace Fairlead.Fuzz;

/// <summary>Joins what was seen of a run to one number, the same in every process (HashCode is not).</summary>
public struct Behaviour()
{
    private uint hash = 0x811c9dc5;

    public readonly int Number => (int)hash;

    public void Add(int seen) => hash = Next(seen);

    /// <summary>The end of a message without what it quotes, which differs from input to input.</summary>
    public void AddMessage(string message)
    {
        int left = 10;
        bool quoted = false;
        for (int i = message.Length - 1; i >= 0 && left > 0; i--)
        {
            if (message[i] is '\'' or '"') quoted = !quoted;
            else if (!quoted && char.IsAsciiLetterLower(message[i])) (left, hash) = (left - 1, Next(message[i]));
        }
    }

    private readonly uint Next(int seen) => ((hash ^ (uint)seen) * 0x01000193) ^ (hash >> 15);
}

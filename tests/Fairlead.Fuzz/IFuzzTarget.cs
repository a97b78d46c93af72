namespace Fairlead.Fuzz;

/// <summary>
/// A reader of foreign bytes, and what it promises about them. Inputs come from corpus/NAME and from changes of them.
/// </summary>
public interface IFuzzTarget
{
    /// <summary>What it is called on the command line; also its folder of the corpus.</summary>
    string Name { get; }

    /// <summary>Corpus files are text, and not hex.</summary>
    bool IsText { get; }

    /// <summary>Inputs are kept shorter than this.</summary>
    int BytesMax { get; }

    /// <summary>Pieces that mean something here, to be put in anywhere.</summary>
    IReadOnlyList<byte[]> Tokens { get; }

    /// <summary>
    /// Any exception is a finding. Gives a number that is the same for inputs that were treated alike: an input with a
    /// new number is worth changing further.
    /// </summary>
    int Run(ReadOnlySpan<byte> input);
}

/// <summary>The code under test did not throw, but did not do what it promises either.</summary>
public sealed class BrokenPromiseException(string message) : Exception(message)
{
    public static void Unless(bool kept, string promise)
    {
        if (!kept) throw new BrokenPromiseException(promise);
    }
}
